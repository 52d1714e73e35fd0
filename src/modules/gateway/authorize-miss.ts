/** Looks a key up in Postgres and adds it to the edge's state; says whether that changed anything. */
export type ResolveMissing = (keyId: string) => Promise<boolean>

export interface MissOptions {
  resolve: ResolveMissing
  /** Monotonic milliseconds, such as `performance.now`. */
  monotonic?: () => number
  /** How long an answer that changed nothing is good for. */
  negativeForMs?: number
  /** Remembered answers; the oldest go first. */
  mostRemembered?: number
  /** Look-ups at the same time. */
  mostAtOnce?: number
  /** Look-ups that may wait for a place; further ones fail at once. */
  mostWaiting?: number
  /** A look-up that takes longer has failed. */
  deadlineMs?: number
}

/**
 * `changed`: ask the authorizer again; `unchanged`: the refusal stands; `failed`: nobody knows,
 * and a refusal would blame the customer for our database.
 */
export type MissOutcome = 'changed' | 'unchanged' | 'failed'

/**
 * Stands between unknown keys and Postgres: one look-up a key at a time, few at once, and an answer
 * that changed nothing is remembered for a moment, so that made-up keys cannot hammer the database.
 */
export class MissResolver {
  readonly #options: Required<MissOptions>
  /** Key id → when its negative answer ends, oldest first. */
  readonly #negative = new Map<string, number>()
  readonly #running = new Map<string, Promise<MissOutcome>>()
  readonly #waiting: (() => void)[] = []
  #active = 0

  constructor(options: MissOptions) {
    this.#options = {
      monotonic: () => performance.now(),
      negativeForMs: 3_000,
      mostRemembered: 10_000,
      mostAtOnce: 8,
      mostWaiting: 256,
      deadlineMs: 2_000,
      ...options,
    }
  }

  get remembered(): number {
    return this.#negative.size
  }

  /** Never rejects. */
  resolve(keyId: string): Promise<MissOutcome> {
    if (this.#isKnownMiss(keyId)) return Promise.resolve('unchanged')
    const running = this.#running.get(keyId)
    if (running !== undefined) return running
    if (this.#waiting.length >= this.#options.mostWaiting) return Promise.resolve('failed')
    const started = this.#lookUp(keyId).finally(() => this.#running.delete(keyId))
    this.#running.set(keyId, started)
    return started
  }

  #isKnownMiss(keyId: string): boolean {
    const until = this.#negative.get(keyId)
    if (until === undefined) return false
    if (this.#options.monotonic() < until) return true
    this.#negative.delete(keyId)
    return false
  }

  async #lookUp(keyId: string): Promise<MissOutcome> {
    await this.#enter()
    try {
      const changed = await withDeadline(this.#options.resolve(keyId), this.#options.deadlineMs)
      if (changed) return 'changed'
      this.#remember(keyId)
      return 'unchanged'
    } catch {
      // The loader reports its own failures; here only "unknown" matters.
      return 'failed'
    } finally {
      this.#leave()
    }
  }

  #remember(keyId: string): void {
    this.#negative.set(keyId, this.#options.monotonic() + this.#options.negativeForMs)
    if (this.#negative.size <= this.#options.mostRemembered) return
    const oldest = this.#negative.keys().next()
    if (oldest.done !== true) this.#negative.delete(oldest.value)
  }

  async #enter(): Promise<void> {
    if (this.#active < this.#options.mostAtOnce) {
      this.#active++
      return
    }
    // The place is handed over by `#leave`, which therefore leaves the count as it is.
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  #leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#active--
    else next()
  }
}

async function withDeadline<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
  let timer: Timer | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('look-up took too long')), deadlineMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
