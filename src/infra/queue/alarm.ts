/** Wakes one sleeper. A ring while nobody sleeps ends the next sleep at once. */
export class Alarm {
  private hasRung = false
  private wake: (() => void) | null = null

  ring(): void {
    this.hasRung = true
    this.wake?.()
  }

  /** Sleeps until a ring, at most `ms`. @returns whether it rang */
  async wait(ms: number): Promise<boolean> {
    if (!this.hasRung) await this.sleep(ms)
    const rang = this.hasRung
    this.hasRung = false
    return rang
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.wake = null
        resolve()
      }
      const timer = setTimeout(end, ms)
      this.wake = end
    })
  }
}
