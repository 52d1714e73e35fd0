import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '#infra/logger'
import { parseAccessLogLine } from './access-log'
import {
  type LogPosition,
  readCheckpoint,
  type ShipperCheckpoint,
  writeCheckpoint,
} from './shipper-checkpoint'
import { isMisconfigured, patienceMs, postEvents, type ShippedEvent } from './shipper-client'
import { findPosition, headOf, type LogFile, listLogFiles, readLines } from './shipper-log'

export interface ShipperOptions {
  gatewayId: string
  /** Caddy's access log; rotated files lie beside it as `<name>-<time><extension>`. */
  logPath: string
  checkpointPath: string
  /** Base address of the REST API. */
  url: string
  token: string
  logger: Logger
  /** Milliseconds between looks at a log that has not grown. */
  pollMs?: number
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
const MOST_EVENTS = 1_000
const LONGEST_PATH = 4_096
const POLL_MS = 100

interface Batch {
  events: ShippedEvent[]
  skipped: number
  malformed: number
  /** Bytes behind the last whole line. */
  rest: number
  next: LogPosition
}

/**
 * Brings the gateway's access log to the ledger. Its checkpoint moves only when the API has a batch,
 * so after a crash the same lines are sent again, under the same numbers; the ledger knows them.
 * Should the checkpoint be lost, all files that are there are sent again under numbers from 1 on.
 */
export class Shipper {
  private checkpoint: ShipperCheckpoint | null = null
  private readonly stopped = new AbortController()
  private loop: Promise<void> | null = null
  private refusals = 0
  /** Smaller for a while when the API finds a batch too large. */
  private mostEvents = MOST_EVENTS

  constructor(private readonly options: ShipperOptions) {}

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
        return { ...NOTHING, waitMs: patienceMs(null, ++this.refusals, this.random()) }
      })
      const idle = round.shipped + round.skipped + round.malformed === 0
      const pause = round.waitMs ?? (idle ? pollMs : 0)
      if (pause > 0) await sleep(pause, null, { signal: this.stopped.signal }).catch(() => null)
    }
  }

  /** Ships at most one batch. After a refusal nothing has moved, and `waitMs` says how long to wait. */
  async runOnce(): Promise<ShipperRound> {
    this.checkpoint ??= await this.loadCheckpoint()
    const batch = await this.nextBatch(this.checkpoint)
    if (!batch) return NOTHING
    const { events, skipped, malformed } = batch
    const rejected = events.length === 0 ? 0 : await this.post(events)
    if (typeof rejected !== 'number') return { ...NOTHING, waitMs: rejected.waitMs }
    const moved: ShipperCheckpoint = {
      ...this.checkpoint,
      nextSequence: this.checkpoint.nextSequence + events.length,
      position: batch.next,
    }
    await writeCheckpoint(this.options.checkpointPath, moved)
    this.checkpoint = moved
    return { shipped: events.length, skipped, malformed, rejected, waitMs: null }
  }

  private async loadCheckpoint(): Promise<ShipperCheckpoint> {
    const { checkpointPath, gatewayId, logger } = this.options
    await mkdir(dirname(checkpointPath), { recursive: true })
    const found = await readCheckpoint(checkpointPath).catch((error: unknown) => {
      logger.error({ err: error, checkpointPath }, 'shipper.checkpoint-unreadable')
      return null
    })
    if (found?.gatewayId === gatewayId) return found
    // A gateway that was renamed counts from 1, but what was shipped under the old name stays shipped.
    return { gatewayId, nextSequence: 1, position: found?.position ?? null }
  }

  private async nextBatch({ position, nextSequence }: ShipperCheckpoint): Promise<Batch | null> {
    // The list comes before the read: a file with a later one beside it gets no more lines.
    const files = await listLogFiles(this.options.logPath)
    const found = await this.locate(files, position)
    let { index, offset } = found
    let malformed = 0
    for (;;) {
      const file = files[index]
      if (!file) return null
      const batch = await this.readBatch(file, offset, nextSequence)
      const isLast = index === files.length - 1
      if (batch.next.offset > offset) return { ...batch, malformed: malformed + batch.malformed }
      if (isLast) return index === found.index ? null : { ...batch, malformed }
      // The last line of a finished file was cut off; the rest of it will never come.
      if (batch.rest > 0) {
        malformed++
        this.reportMalformed(file.path, offset, 'cut off')
      }
      index++
      offset = 0
    }
  }

  private async locate(
    files: LogFile[],
    position: LogPosition | null,
  ): Promise<{ index: number; offset: number }> {
    if (!position) return { index: 0, offset: 0 }
    const index = await findPosition(files, position)
    if (index >= 0) return { index, offset: position.offset }
    // A file may have been renamed between the two looks that make a list.
    const again = await listLogFiles(this.options.logPath)
    const found = await findPosition(again, position)
    files.splice(0, files.length, ...again)
    if (found >= 0) return { index: found, offset: position.offset }
    // Old files are removed first, so nothing that is left has been shipped.
    if (files.length > 0) {
      this.options.logger.error({ lost: position.identity }, 'shipper.log-file-vanished')
    }
    return { index: 0, offset: 0 }
  }

  private async readBatch(file: LogFile, offset: number, nextSequence: number): Promise<Batch> {
    const { lines, rest } = await readLines(file.path, offset)
    const batch = { events: [] as ShippedEvent[], skipped: 0, malformed: 0 }
    let end = offset
    for (const line of lines) {
      if (batch.events.length === this.mostEvents) break
      const event = this.toEvent(line.text, nextSequence + batch.events.length)
      if (event) batch.events.push(event)
      else if (event === null) batch.skipped++
      else {
        batch.malformed++
        this.reportMalformed(file.path, end, 'not an access log line')
      }
      end = line.end
    }
    const head = await headOf(file.path, end)
    return { ...batch, rest, next: { identity: file.identity, offset: end, head } }
  }

  /** Null for a call that was not let through, undefined for a line that cannot be read. */
  private toEvent(line: string, sequence: number): ShippedEvent | null | undefined {
    try {
      const call = parseAccessLogLine(line)
      if (!call) return null
      const { requestId, keyId, method, path, status, requestBytes, responseBytes, at } = call
      return {
        ...{ id: requestId, gatewayId: this.options.gatewayId, sequence },
        keyId: keyId.startsWith('key_') ? keyId : `key_${keyId}`,
        ...{ method, path: path.slice(0, LONGEST_PATH).toWellFormed(), status },
        ...{ durationMs: Math.round(call.durationMs), requestBytes, responseBytes, at },
      }
    } catch {
      return undefined
    }
  }

  private reportMalformed(path: string, offset: number, reason: string): void {
    this.options.logger.warn({ path, offset, reason }, 'shipper.line-malformed')
  }

  private async post(events: ShippedEvent[]): Promise<number | { waitMs: number }> {
    const { logger } = this.options
    const result = await postEvents(this.options, events, this.stopped.signal)
    if (result.kind === 'taken') {
      this.refusals = 0
      this.mostEvents = MOST_EVENTS
      if (result.rejected > 0) logger.warn({ rejected: result.rejected }, 'shipper.events-rejected')
      return result.rejected
    }
    this.refusals++
    const { status, reason, retryAfterMs } = result
    if (status === 413) this.mostEvents = Math.max(1, Math.floor(events.length / 2))
    const level = isMisconfigured(status) ? 'error' : 'warn'
    logger[level]({ status, reason, refusals: this.refusals }, 'shipper.post-refused')
    return { waitMs: patienceMs(retryAfterMs, this.refusals, this.random()) }
  }

  private random(): number {
    return (this.options.random ?? Math.random)()
  }
}
