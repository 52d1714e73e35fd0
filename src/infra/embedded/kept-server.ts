import { setTimeout as sleep } from 'node:timers/promises'
import { type ChildExit, describeExit } from './child'
import { SetupError } from './setup-error'

interface Server {
  exited: Promise<ChildExit>
  stop(): Promise<void>
}

export interface KeptServerOptions<S extends Server> {
  /** For messages: `Postgres`, `Caddy`. */
  name: string
  start(): Promise<S>
  /** It ended by itself, or could not be started again; another try follows. */
  onEnded?(reason: string): void
  onRestarted?(server: S): void
  /** Milliseconds before each try; as many ends within a minute are borne, one more is too many. */
  pausesMs?: readonly number[]
}

/** The first try comes at once: every moment without the server is felt. */
const PAUSES_MS = [0, 250, 500, 1_000, 2_000]
const WINDOW_MS = 60_000

/** Keeps one server running: started again when it ends by itself, given up when that does not last. */
export class KeptServer<S extends Server> {
  private current: S | null = null
  private restarting: Promise<void> = Promise.resolve()
  private readonly stopping = new AbortController()
  /** When the tries of the last minute were made. */
  private tries: number[] = []
  private giveUp: (error: SetupError) => void = () => undefined

  /** Rejects with a SetupError `keeps-failing` when there is no hope; never fulfilled. */
  readonly failed = new Promise<never>((_, reject) => {
    this.giveUp = reject
  })

  constructor(private readonly options: KeptServerOptions<S>) {
    this.failed.catch(() => undefined)
  }

  /** The first start; its failure is the caller's to report. */
  async start(): Promise<S> {
    const server = await this.options.start()
    this.watch(server)
    return server
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.restarting
    await this.current?.stop()
  }

  private watch(server: S): void {
    this.current = server
    void server.exited.then((exit) => {
      if (!this.stopping.signal.aborted) this.restarting = this.restart(describeExit(exit))
    })
  }

  private async restart(reason: string): Promise<void> {
    const { name, start, onEnded, onRestarted, pausesMs = PAUSES_MS } = this.options
    for (let latest = reason; !this.stopping.signal.aborted; ) {
      const pause = pausesMs[this.recentTries()]
      if (pause === undefined) return this.giveUp(keepsFailing(name, latest))
      onEnded?.(latest)
      await sleep(pause, undefined, { signal: this.stopping.signal }).catch(() => undefined)
      if (this.stopping.signal.aborted) return
      this.tries.push(performance.now())
      try {
        const server = await start()
        this.watch(server)
        return onRestarted?.(server)
      } catch (error) {
        latest = error instanceof Error ? error.message : String(error)
      }
    }
  }

  private recentTries(): number {
    const since = performance.now() - WINDOW_MS
    this.tries = this.tries.filter((at) => at > since)
    return this.tries.length
  }
}

function keepsFailing(name: string, reason: string): SetupError {
  const again = /^(exited|was killed)/.test(reason) ? `it ${reason}` : reason
  return new SetupError(
    'keeps-failing',
    `${name} ends again and again; the last time ${again}`,
    'Mend the cause (memory, disk, another program that ends it) and start again: nothing that was stored is lost.',
  )
}
