import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '#infra/logger'
import type { SequenceRange } from '#lib/sequence-range'
import {
  type Arrivals,
  IngestClient,
  isMisconfigured,
  type PostResult,
  patienceMs,
  type Refusal,
} from './shipper-client'
import { fillGaps } from './shipper-gaps'
import { ShipperJournal } from './shipper-journal'
import type { Batch } from './shipper-reader'
import { MOST_EVENTS_A_WAVE, nextWave, type Wave } from './shipper-wave'

export interface ShipperOptions {
  gatewayId: string
  /** Caddy's access log; rotated files lie beside it as `<name>-<time><extension>`. */
  logPath: string
  /** What was shipped; its folder is made where it is missing. */
  journalPath: string
  /** Base address of the REST API. */
  url: string
  token: string
  logger: Logger
  /** Milliseconds between looks at a log that has not grown. */
  pollMs?: number
  /** Milliseconds between questions to the API what it misses. */
  gapPollMs?: number
  /** Uniform in [0, 1). */
  random?: () => number
}

/** What one round did. `waitMs`: how long the API wants to be left alone, null when it took all. */
export interface ShipperRound {
  shipped: number
  /** Lines of calls that authorize did not let through: nothing to count. */
  skipped: number
  malformed: number
  /** Events that the API took note of but did not accept. */
  rejected: number
  waitMs: number | null
}

const NOTHING: ShipperRound = { shipped: 0, skipped: 0, malformed: 0, rejected: 0, waitMs: null }
const POLL_MS = 100
const GAP_POLL_MS = 30_000

/**
 * Brings the gateway's access log to the ledger. The journal goes on only when the API has the lines, so
 * after a crash they are sent again, under the same numbers; the ledger knows them. Should the journal
 * be lost, all files that are there are sent again, under numbers that the API has not seen.
 */
export class Shipper {
  private journal: ShipperJournal | null = null
  /** Number of the next event; null until the API was asked. */
  private next: number | null = null
  private askAgainAt = 0
  private refusals = 0
  private readonly stopped = new AbortController()
  private readonly client: IngestClient
  private loop: Promise<void> | null = null

  constructor(private readonly options: ShipperOptions) {
    this.client = new IngestClient(options, this.stopped.signal)
  }

  start(): void {
    this.loop ??= this.run()
  }

  /** Lets the running round end; a post in flight is given up, and sent again after the next start. */
  async stop(): Promise<void> {
    this.stopped.abort()
    await this.loop
  }

  private async run(): Promise<void> {
    const { pollMs = POLL_MS, logger } = this.options
    while (!this.stopped.signal.aborted) {
      const round = await this.runOnce().catch((error: unknown) => {
        logger.error({ err: error }, 'shipper.round-failed')
        return { ...NOTHING, waitMs: this.patience(null) }
      })
      const idle = round.shipped + round.skipped + round.malformed === 0
      const pause = round.waitMs ?? (idle ? pollMs : 0)
      if (pause > 0) await sleep(pause, null, { signal: this.stopped.signal }).catch(() => null)
    }
  }

  /**
   * Ships at most one wave of batches; from time to time sends again what the API misses. What was not
   * taken is shipped by a later round, under the same numbers.
   *
   * @throws Error when the log cannot be read or the journal not be written; that counts as not taken
   */
  async runOnce(): Promise<ShipperRound> {
    this.journal ??= await this.openJournal()
    const { journal } = this
    const refusal = performance.now() < this.askAgainAt ? null : await this.compare(journal)
    const waitMs = refusal && this.refuse(refusal)
    // Gaps can wait; without the API's word it is not known which number comes next.
    if (this.next === null) return { ...NOTHING, waitMs }
    const first = this.next
    const wave = await nextWave(this.options, journal, first)
    if (!wave) return NOTHING
    const results = await Promise.all(wave.batches.map((batch) => this.post(batch)))
    const refusedAt = results.findIndex(({ kind }) => kind === 'refused')
    const taken = wave.batches.slice(0, refusedAt < 0 ? results.length : refusedAt)
    const round = await this.record(journal, wave, taken, first)
    const refused = results[refusedAt]
    if (refused?.kind === 'refused') return { ...round, waitMs: this.refuse(refused) }
    this.refusals = 0
    const rejected = results.reduce(
      (sum, result) => sum + ('rejected' in result ? result.rejected : 0),
      0,
    )
    if (rejected > 0) this.options.logger.warn({ rejected }, 'shipper.events-rejected')
    return { ...round, rejected }
  }

  private async openJournal(): Promise<ShipperJournal> {
    const { journalPath, logger } = this.options
    await mkdir(dirname(journalPath), { recursive: true })
    const journal = await ShipperJournal.open(journalPath)
    const { damaged } = journal
    if (damaged > 0) logger.error({ journalPath, damaged }, 'shipper.journal-damaged')
    return journal
  }

  /** Asks the API what arrived, and sends again what did not. */
  private async compare(journal: ShipperJournal): Promise<Refusal | null> {
    const { gapPollMs = GAP_POLL_MS } = this.options
    const told = await this.client.arrivals(this.options.gatewayId)
    if (told.kind === 'refused') return told
    this.next ??= this.beginAt(journal.last, told.arrivals.highest)
    const gaps = missingOf(told.arrivals, this.next - 1)
    const filled = await fillGaps({ ...this.options, journal, client: this.client }, gaps)
    if (filled.kind === 'refused' || filled.isDone) this.askAgainAt = performance.now() + gapPollMs
    return filled.kind === 'refused' ? filled : null
  }

  /** Numbers go on where the journal ends, unless the API has seen more than can be on its way. */
  private beginAt(last: ShipperJournal['last'], highest: number): number {
    const { gatewayId, logger } = this.options
    // A gateway that was renamed has numbers of its own; what was shipped stays shipped.
    if (last?.gatewayId !== gatewayId) return highest + 1
    const next = last.first + last.count
    if (highest < next + MOST_EVENTS_A_WAVE) return next
    logger.error({ next, highest }, 'shipper.numbers-taken')
    return highest + 1
  }

  private async post({ events }: Batch): Promise<PostResult> {
    return events.length === 0 ? { kind: 'taken', rejected: 0 } : this.client.postEvents(events)
  }

  /** Notes what the API has. */
  private async record(
    journal: ShipperJournal,
    { file, offset, head, batches, cutOff, files }: Wave,
    taken: readonly Batch[],
    first: number,
  ): Promise<ShipperRound> {
    if (taken.length === 0 && batches.length > 0) return NOTHING
    const sum = (of: (batch: Batch) => number) =>
      taken.reduce((total, batch) => total + of(batch), 0)
    const count = sum(({ events }) => events.length)
    const { gatewayId, logger } = this.options
    const { identity, path } = file
    const end = taken.at(-1)?.end ?? offset
    await journal.append({ gatewayId, first, count, identity, offset, end, head })
    this.next = first + count
    for (const { path } of cutOff) logger.warn({ path }, 'shipper.line-cut-off')
    const malformed = taken.flatMap((batch) => batch.malformed)
    for (const offset of malformed) logger.warn({ path, offset }, 'shipper.line-malformed')
    await journal.compact((identity) => files.some((file) => file.identity === identity))
    const skipped = sum((batch) => batch.skipped)
    return { ...NOTHING, shipped: count, skipped, malformed: malformed.length + cutOff.length }
  }

  /** @returns milliseconds to wait */
  private refuse({ status, reason, retryAfterMs }: Refusal): number {
    const level = isMisconfigured(status) ? 'error' : 'warn'
    const waitMs = this.patience(retryAfterMs)
    const { refusals } = this
    this.options.logger[level]({ status, reason, refusals, waitMs }, 'shipper.refused')
    return waitMs
  }

  private patience(retryAfterMs: number | null): number {
    return patienceMs(retryAfterMs, ++this.refusals, (this.options.random ?? Math.random)())
  }
}

/** What of our numbers up to `last` the API has not: its gaps, and what it has forgotten behind them. */
function missingOf({ highest, gaps }: Arrivals, last: number): SequenceRange[] {
  // Higher numbers are on their way and come by themselves.
  const ours = gaps.map((gap) => ({ first: gap.first, last: Math.min(gap.last, last) }))
  return [...ours, { first: highest + 1, last }].filter((range) => range.first <= range.last)
}
