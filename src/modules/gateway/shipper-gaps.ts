import type { Logger } from '#infra/logger'
import { cutAlong, type SequenceRange } from '#lib/sequence-range'
import type { IngestClient, Refusal, ShippedEvent } from './shipper-client'
import type { JournalEntry, ShipperJournal } from './shipper-journal'
import { rereadPiece } from './shipper-reader'

const MOST_EVENTS_A_POST = 1_000
const MOST_RANGES_A_REPORT = 1_000
/** A large gap is filled in several turns, so that new calls need not wait for all of it. */
const MOST_EVENTS_A_TURN = 100_000

export interface Filling {
  gatewayId: string
  logPath: string
  journal: ShipperJournal
  client: IngestClient
  logger: Logger
}

/** `isDone`: false when there is more to be read again than fits into one turn. */
export type FillResult = { kind: 'filled'; isDone: boolean } | Refusal

/**
 * Sends again what the API misses, the same events under the same numbers, and says of which parts that
 * cannot be done any more.
 */
export async function fillGaps(
  filling: Filling,
  ranges: readonly SequenceRange[],
): Promise<FillResult> {
  const { gatewayId, journal, client, logger } = filling
  if (ranges.length === 0) return { kind: 'filled', isDone: true }
  const pieces = (await journal.entries())
    .filter((piece) => piece.gatewayId === gatewayId)
    .map((piece) => ({ ...piece, last: piece.first + piece.count - 1 }))
    .sort((a, b) => a.first - b.first)
  const lost: SequenceRange[] = []
  let sent = 0
  for (const { piece, ...range } of ranges.flatMap((range) => cutAlong(range, pieces))) {
    if (sent >= MOST_EVENTS_A_TURN) break
    const events = piece && (await reread(filling.logPath, piece, range))
    if (!events) {
      lost.push(range)
      continue
    }
    const refusal = await post(client, events)
    if (refusal) return refusal
    sent += events.length
    logger.info({ ...range }, 'shipper.gap-filled')
  }
  const refusal = await report(filling, lost)
  return refusal ?? { kind: 'filled', isDone: sent < MOST_EVENTS_A_TURN }
}

async function reread(
  logPath: string,
  piece: JournalEntry,
  { first, last }: SequenceRange,
): Promise<ShippedEvent[] | null> {
  const events = await rereadPiece(logPath, piece)
  return events?.slice(first - piece.first, last - piece.first + 1) ?? null
}

async function post(
  client: IngestClient,
  events: readonly ShippedEvent[],
): Promise<Refusal | null> {
  for (let from = 0; from < events.length; from += MOST_EVENTS_A_POST) {
    const result = await client.postEvents(events.slice(from, from + MOST_EVENTS_A_POST))
    if (result.kind === 'refused') return result
  }
  return null
}

async function report(
  { gatewayId, client, logger }: Filling,
  lost: SequenceRange[],
): Promise<Refusal | null> {
  if (lost.length === 0) return null
  logger.error({ ranges: lost }, 'shipper.gap-unrecoverable')
  const result = await client.reportUnrecoverable(gatewayId, lost.slice(0, MOST_RANGES_A_REPORT))
  return result.kind === 'refused' ? result : null
}
