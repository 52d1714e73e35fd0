import { type FileHandle, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'

const Entry = z.object({
  gatewayId: z.string(),
  /** Number of its first event, from 1. */
  first: z.int().positive(),
  /** Events in it; 0 for lines that were only skipped. */
  count: z.int().nonnegative(),
  /** `device:inode`: a file keeps it when it is renamed. */
  identity: z.string(),
  /** Its bytes in that file: from `offset` until `end`. */
  offset: z.int().nonnegative(),
  end: z.int().nonnegative(),
  /** Digest of the file's first line: an inode that was given to another file is noticed. */
  head: z.string(),
})

/** A piece of the log that the API has, under these numbers. */
export type JournalEntry = z.infer<typeof Entry>

/** Small enough that one call is found again quickly, large enough that a year is a few megabytes. */
const MOST_MERGED_EVENTS = 10_000
const COMPACT_AT_BYTES = 1024 * 1024

/**
 * What was shipped, in order: one line per piece. The last line is the checkpoint; the others tell
 * where a number can be read again. A line counts once it is whole and on the disk, so after a crash
 * the piece that was on its way is sent again, under the same numbers.
 */
export class ShipperJournal {
  private length = 0
  private compactAt = COMPACT_AT_BYTES

  private constructor(
    private readonly path: string,
    /** The newest piece: shipping goes on behind it. Null where nothing was shipped. */
    public last: JournalEntry | null,
    /** Lines that cannot be read; what they told of is not known any more. */
    readonly damaged: number,
  ) {}

  /**
   * Opens the journal, or makes an empty one in a folder that exists. A cut-off last line is dropped.
   * @throws Error where it cannot be read or written
   */
  static async open(path: string): Promise<ShipperJournal> {
    const { entries, damaged } = await readEntries(path)
    const journal = new ShipperJournal(path, entries.at(-1) ?? null, damaged)
    await journal.rewrite(entries)
    return journal
  }

  /** Adds a piece; it is on the disk when this returns. @throws Error, and then it was not added */
  async append(entry: JournalEntry): Promise<void> {
    const line = Buffer.from(toLine(entry))
    await withFile(this.path, 'r+', async (file) => {
      // Whatever a full disk left of an earlier try.
      await file.truncate(this.length)
      await writeAll(file, line, this.length)
      await file.datasync()
    })
    this.length += line.length
    this.last = entry
  }

  /** Every piece that is still known, oldest first. */
  async entries(): Promise<JournalEntry[]> {
    return (await readEntries(this.path)).entries
  }

  /** When it has grown: forgets pieces of files that are gone, and joins what follows on each other. */
  async compact(isThere: (identity: string) => boolean): Promise<void> {
    if (this.length < this.compactAt) return
    const entries = await this.entries()
    await this.rewrite(
      entries.filter((entry, n) => n === entries.length - 1 || isThere(entry.identity)),
    )
    this.compactAt = Math.max(COMPACT_AT_BYTES, 2 * this.length)
  }

  /** After a power cut there is the old journal or the new one, never half of it. */
  private async rewrite(entries: readonly JournalEntry[]): Promise<void> {
    const text = Buffer.from(joinPieces(entries).map(toLine).join(''))
    const beside = `${this.path}.next`
    await withFile(beside, 'w', async (file) => {
      await writeAll(file, text, 0)
      await file.sync()
    })
    await rename(beside, this.path)
    await withFile(dirname(this.path), 'r', (folder) => folder.sync())
    this.length = text.length
  }
}

/** Pieces that follow on each other in one file, as one; none grows beyond `most` events. */
export function joinPieces(
  entries: readonly JournalEntry[],
  most = MOST_MERGED_EVENTS,
): JournalEntry[] {
  const joined: JournalEntry[] = []
  for (const entry of entries) {
    const before = joined.at(-1)
    const count = (before?.count ?? 0) + entry.count
    if (before && count <= most && follows(before, entry)) {
      joined[joined.length - 1] = { ...entry, first: before.first, count, offset: before.offset }
    } else joined.push(entry)
  }
  return joined
}

const follows = (before: JournalEntry, entry: JournalEntry): boolean =>
  before.gatewayId === entry.gatewayId &&
  before.identity === entry.identity &&
  before.end === entry.offset &&
  before.first + before.count === entry.first

const toLine = (entry: JournalEntry): string => `${JSON.stringify(entry)}\n`

async function readEntries(path: string): Promise<{ entries: JournalEntry[]; damaged: number }> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  // Behind the last newline there is nothing, or a line that was being written.
  const parsed = text.split('\n').slice(0, -1).map(parseLine)
  const entries = parsed.filter((entry) => entry !== null)
  return { entries, damaged: parsed.length - entries.length }
}

function parseLine(line: string): JournalEntry | null {
  try {
    return Entry.parse(JSON.parse(line))
  } catch {
    return null
  }
}

/** A disk that is almost full takes a part of what it is given. */
async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(
      bytes,
      written,
      bytes.length - written,
      position + written,
    )
    written += bytesWritten
  }
}

async function withFile(
  path: string,
  flags: string,
  work: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags)
  try {
    await work(file)
  } finally {
    await file.close()
  }
}
