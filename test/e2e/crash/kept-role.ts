import { type Place, VeilProcess } from '#test/process'

/** One role in a process of its own, started again whenever it ends, as an operator's supervisor does. */
export class KeptRole {
  /** Starts that gave up by themselves, such as one that found no database. */
  failedStarts = 0
  /** What the process said that ended although nobody killed it after it was ready. */
  readonly defects: string[] = []
  private isStopping = false

  private constructor(
    readonly name: string,
    private readonly place: Place,
    private current: VeilProcess,
  ) {
    this.keep()
  }

  /** Waits until it is ready. */
  static async start(name: string, place: Place): Promise<KeptRole> {
    return new KeptRole(name, place, await VeilProcess.start({ place }))
  }

  get url(): string {
    return this.current.url
  }

  get log(): string {
    return this.current.stdout + this.current.stderr
  }

  kill(): void {
    if (this.current.isRunning) this.current.signal('SIGKILL')
  }

  /** Of the process that runs now, or of one that takes its place. */
  get isReady(): boolean {
    return this.current.isRunning && this.current.stdout.includes('Veil is ready')
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await this.current.dispose({ keepData: true })
  }

  private keep(): void {
    void this.current.closed.then(async ({ signal }) => {
      if (this.isStopping) return
      if (signal === null && this.current.stdout.includes('Veil is ready'))
        this.defects.push(`${this.name}: ${this.log.slice(-2_000)}`)
      else if (signal === null) this.failedStarts++
      this.current = await VeilProcess.spawn({ place: this.place })
      if (this.isStopping) await this.current.dispose({ keepData: true })
      else this.keep()
    })
  }
}
