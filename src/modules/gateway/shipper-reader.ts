import { parseAccessLogLine } from './access-log'
import type { ShippedEvent } from './shipper-client'
import type { JournalEntry } from './shipper-journal'
import { type LogFile, type LogLines, lookUp, readLines } from './shipper-log'

/** Lines that follow on each other, small enough for one post. */
export interface Batch {
  events: ShippedEvent[]
  /** Lines of calls that authorize did not let through: nothing to count. */
  skipped: number
  /** Offsets of the lines that cannot be read. */
  malformed: number[]
  /** Offset behind its last line. */
  end: number
}

interface Cut {
  gatewayId: string
  /** Number of the first event. */
  first: number
  /** In a batch. */
  mostEvents: number
  mostBatches: number
}

const WHOLE = { mostEvents: Number.POSITIVE_INFINITY, mostBatches: 1 }
const LONGEST_PATH = 4_096

/** Cuts lines, the first of which begins at `offset`, into batches; leaves out what is too much. */
export function toBatches(lines: LogLines['lines'], offset: number, cut: Cut): Batch[] {
  const batches: Batch[] = []
  let end = offset
  let sequence = cut.first
  let batch: Batch | undefined
  for (const line of lines) {
    if (!batch || batch.events.length === cut.mostEvents) {
      if (batches.length === cut.mostBatches) break
      batch = { events: [], skipped: 0, malformed: [], end }
      batches.push(batch)
    }
    const event = toEvent(line.text, cut.gatewayId, sequence)
    if (event) {
      batch.events.push(event)
      sequence++
    } else if (event === null) batch.skipped++
    else batch.malformed.push(end)
    end = line.end
    batch.end = end
  }
  return batches
}

/** Null for a call that was not let through, undefined for a line that cannot be read. */
function toEvent(
  line: string,
  gatewayId: string,
  sequence: number,
): ShippedEvent | null | undefined {
  try {
    const call = parseAccessLogLine(line)
    if (!call) return null
    const { requestId, keyId, method, path, status, requestBytes, responseBytes, at } = call
    return {
      ...{ id: requestId, gatewayId, sequence },
      keyId: keyId.startsWith('key_') ? keyId : `key_${keyId}`,
      ...{ method, path: path.slice(0, LONGEST_PATH).toWellFormed(), status },
      ...{ durationMs: Math.round(call.durationMs), requestBytes, responseBytes, at },
    }
  } catch {
    return undefined
  }
}

/**
 * The events of a piece that was shipped before, byte for byte as they were, or null when the log has
 * it no more: its file is gone, or does not hold as many calls as it did.
 */
export async function rereadPiece(
  logPath: string,
  piece: JournalEntry,
): Promise<ShippedEvent[] | null> {
  for (;;) {
    const { files, index } = await lookUp(logPath, piece)
    const file = files[index]
    if (!file) return null
    const events = await rereadFrom(file, piece)
    if (events) return events.length === piece.count ? events : null
  }
}

/** Null when the file was renamed meanwhile. */
async function rereadFrom(file: LogFile, piece: JournalEntry): Promise<ShippedEvent[] | null> {
  const events: ShippedEvent[] = []
  const { gatewayId, end } = piece
  for (let offset = piece.offset; offset < end; ) {
    const read = await readLines(file, offset)
    if (!read) return null
    const lines = read.lines.filter((line) => line.end <= end)
    const first = piece.first + events.length
    const [batch] = toBatches(lines, offset, { ...WHOLE, gatewayId, first })
    // The end of the piece is no end of a line any more: it is not what was shipped.
    if (!batch) return []
    events.push(...batch.events)
    offset = batch.end
  }
  return events
}
