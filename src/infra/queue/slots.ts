/** So many may work at once; the others wait in the order of their coming. */
export class Slots {
  private readonly waiting: (() => void)[] = []

  constructor(private free: number) {}

  /** Null when a slot was free, so that nobody has to wait for a promise. */
  take(): Promise<void> | null {
    if (this.free > 0) {
      this.free--
      return null
    }
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  give(): void {
    const next = this.waiting.shift()
    if (next) next()
    else this.free++
  }
}
