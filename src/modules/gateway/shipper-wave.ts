import type { Logger } from '#infra/logger'
import type { JournalEntry, ShipperJournal } from './shipper-journal'
import { holds, type LogFile, listLogFiles, lookUp, readLines } from './shipper-log'
import { type Batch, toBatches } from './shipper-reader'

/** Lines of one file that follow on each other, cut into batches that are posted side by side. */
export interface Wave {
  file: LogFile
  /** Where they begin in the file. */
  offset: number
  head: string
  /** None where shipping only moves on to a file that has no lines yet. */
  batches: Batch[]
  /** Finished files whose last line was cut off; the rest of it will never come. */
  cutOff: LogFile[]
  /** All files of the log. */
  files: LogFile[]
}

export interface Following {
  gatewayId: string
  logPath: string
  logger: Logger
}

const MOST_EVENTS_A_BATCH = 1_000
/** With lines of the usual length a chunk of the log makes three batches. */
const MOST_BATCHES = 4
export const MOST_EVENTS_A_WAVE = MOST_BATCHES * MOST_EVENTS_A_BATCH

/** What follows in the log on what was shipped; null when there is nothing. @param first its number */
export async function nextWave(
  { gatewayId, ...following }: Following,
  journal: ShipperJournal,
  first: number,
): Promise<Wave | null> {
  // The list comes before the read: a file with a later one beside it gets no more lines.
  const start = await locate(following, journal)
  const { files } = start
  const cutOff: LogFile[] = []
  const cut = { gatewayId, first, mostEvents: MOST_EVENTS_A_BATCH, mostBatches: MOST_BATCHES }
  for (let { index, offset } = start; ; index++, offset = 0) {
    const file = files[index]
    const read = file && (await readLines(file, offset))
    // Nothing there yet, or renamed since it was listed.
    if (!file || !read) return null
    const batches = toBatches(read.lines, offset, cut)
    const hasMoved = index !== start.index || start.isLost
    const isLast = index === files.length - 1
    if (batches.length > 0 || (isLast && hasMoved)) {
      return { file, offset, head: read.head, batches, cutOff, files }
    }
    if (isLast) return null
    if (read.rest > 0) cutOff.push(file)
  }
}

interface Start {
  files: LogFile[]
  index: number
  offset: number
  /** The file in which shipping stood is gone, or not what it was. */
  isLost: boolean
}

async function locate(
  { logPath, logger }: Omit<Following, 'gatewayId'>,
  journal: ShipperJournal,
): Promise<Start> {
  const { last } = journal
  if (!last) return { files: await listLogFiles(logPath), index: 0, offset: 0, isLost: false }
  const { files, index } = await lookUp(logPath, last)
  if (index >= 0) return { files, index, offset: last.end, isLost: false }
  if (files.length > 0) logger.error({ lost: last.identity }, 'shipper.log-vanished')
  return { ...(await newestShipped(files, await journal.entries())), files, isLost: true }
}

/** Files are shipped in order: behind the newest that we know, nothing was. */
async function newestShipped(files: LogFile[], pieces: readonly JournalEntry[]) {
  const latest = new Map(pieces.map((piece) => [piece.identity, piece]))
  for (const [index, file] of [...files.entries()].reverse()) {
    const piece = latest.get(file.identity)
    if (piece && (await holds(file, piece))) return { index, offset: piece.end }
  }
  return { index: 0, offset: 0 }
}
