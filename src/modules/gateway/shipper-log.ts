import { createHash } from 'node:crypto'
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'

/** One file of the log as it was when we looked. */
export interface LogFile {
  path: string
  /** `device:inode`: a file keeps it when it is renamed. */
  identity: string
}

/** A place in a file of the log. */
export interface LogPosition {
  identity: string
  /** Bytes before it. */
  end: number
  /** Digest of the file's first line: tells it from a later file with the same inode. */
  head: string
}

const NEWLINE = 10
const CHUNK_BYTES = 1024 * 1024
/** Longer than any line that Caddy writes for headers of the size it takes. */
const LONGEST_LINE_BYTES = 16 * CHUNK_BYTES
const HEAD_BYTES = 256

/** The rotated files in the order of their times, then the one that is written to; may be empty. */
export async function listLogFiles(path: string): Promise<LogFile[]> {
  const extension = extname(path)
  const prefix = `${basename(path, extension)}-`
  const names = await readdir(dirname(path)).catch(absent<string[]>([]))
  const rotated = names.filter((name) => name.startsWith(prefix) && name.endsWith(extension)).sort()
  const files: LogFile[] = []
  for (const file of [...rotated.map((name) => join(dirname(path), name)), path]) {
    const found = await stat(file, { bigint: true }).catch(absent(null))
    if (found?.isFile()) files.push({ path: file, identity: `${found.dev}:${found.ino}` })
  }
  // Renamed between the two looks: the same file under both names is one file.
  return files.filter(
    ({ identity }, index) => files.findIndex((file) => file.identity === identity) === index,
  )
}

/** The log's files, and which of them holds `position`: −1 when that is gone, or its inode another's. */
export async function lookUp(
  path: string,
  position: LogPosition,
): Promise<{ files: LogFile[]; index: number }> {
  for (let look = 1; ; look++) {
    const files = await listLogFiles(path)
    const index = files.findIndex(({ identity }) => identity === position.identity)
    const file = files[index]
    if (file && (await holds(file, position))) return { files, index }
    // A file may be renamed while we look.
    if (look === 2) return { files, index: -1 }
  }
}

/** Whether the file is still the one of the position, and was not cut short since. */
export async function holds(file: LogFile, { identity, end, head }: LogPosition): Promise<boolean> {
  if (file.identity !== identity) return false
  const found = await withFile(file, async (handle) => ({
    size: (await handle.stat()).size,
    head: await headOf(handle),
  }))
  return found !== null && found.size >= end && (end === 0 || found.head === head)
}

export interface LogLines {
  lines: { text: string; end: number }[]
  /** Bytes behind the last whole line: one that is being written, or was cut off. */
  rest: number
  /** Digest of the file's first line. */
  head: string
}

/**
 * The whole lines from `offset` on that fit into a chunk, at least one if there is one; `end` is the
 * offset behind its newline. Memory is bounded by the longest line. Null when the path leads to
 * another file by now.
 */
export async function readLines(file: LogFile, offset: number): Promise<LogLines | null> {
  return withFile(file, async (handle) => {
    const head = await headOf(handle)
    for (let size = CHUNK_BYTES; ; size *= 2) {
      const buffer = Buffer.allocUnsafe(size)
      const { bytesRead } = await handle.read(buffer, 0, size, offset)
      const chunk = buffer.subarray(0, bytesRead)
      const isWhole = chunk.includes(NEWLINE) || bytesRead < size
      if (isWhole) return { ...splitLines(chunk, offset), head }
      // No line is that long: it is given up in pieces, which are malformed each.
      if (size >= LONGEST_LINE_BYTES)
        return { lines: [{ text: '', end: offset + size }], rest: 0, head }
    }
  })
}

function splitLines(chunk: Buffer, offset: number): Pick<LogLines, 'lines' | 'rest'> {
  const lines: LogLines['lines'] = []
  let start = 0
  for (;;) {
    const newline = chunk.indexOf(NEWLINE, start)
    if (newline < 0) return { lines, rest: chunk.length - start }
    lines.push({ text: chunk.toString('utf8', start, newline), end: offset + newline + 1 })
    start = newline + 1
  }
}

/** Of the first line, which holds an instant and mostly an id; of its beginning, where it is long. */
async function headOf(handle: FileHandle): Promise<string> {
  const buffer = Buffer.alloc(HEAD_BYTES)
  const { bytesRead } = await handle.read(buffer, 0, HEAD_BYTES, 0)
  const newline = buffer.indexOf(NEWLINE)
  const line = buffer.subarray(0, newline < 0 ? bytesRead : newline)
  return createHash('sha256').update(line).digest('hex').slice(0, 32)
}

/** Null when the path leads nowhere, or to another file: it was renamed since we looked. */
async function withFile<T>(
  { path, identity }: LogFile,
  work: (handle: FileHandle) => Promise<T>,
): Promise<T | null> {
  const handle = await open(path, 'r').catch(absent(null))
  if (!handle) return null
  try {
    const { dev, ino } = await handle.stat({ bigint: true })
    return `${dev}:${ino}` === identity ? await work(handle) : null
  } finally {
    await handle.close()
  }
}

const absent =
  <T>(value: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return value
    throw error
  }
