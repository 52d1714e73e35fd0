import { type Place, VeilProcess } from '#test/process'

const READY = 'Veil is ready'

/** One role in a process of its own, started again whenever it ends, as an operator's supervisor does. */
export class KeptRole {
  /** What processes said that were ready and ended although nobody killed them. */
  readonly defects: string[] = []
  private isStopping = false
  private readonly keeping: Promise<void>

  private constructor(
    private readonly place: Place,
    private current: VeilProcess,
  ) {
    this.keeping = this.keep()
  }

  /** Waits until it is ready. */
  static async start(place: Place): Promise<KeptRole> {
    return new KeptRole(place, await VeilProcess.start({ place }))
  }

  /** Of the process that runs now. */
  get log(): string {
    return this.current.stdout + this.current.stderr
  }

  get isReady(): boolean {
    return this.current.isRunning && this.current.stdout.includes(READY)
  }

  kill(): void {
    if (this.current.isRunning) this.current.signal('SIGKILL')
  }

  async stop(): Promise<void> {
    this.isStopping = true
    this.kill()
    await this.keeping
    await this.current.dispose({ keepData: true })
  }

  private async keep(): Promise<void> {
    while (!this.isStopping) {
      const { signal } = await this.current.closed
      if (this.isStopping) return
      // A start that finds no database gives up by itself.
      const isDefect = signal === null && this.current.stdout.includes(READY)
      if (isDefect) this.defects.push(this.log.slice(-2_000))
      this.current = await VeilProcess.spawn({ place: this.place })
    }
  }
}
