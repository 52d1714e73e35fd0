import { createHash } from 'node:crypto'
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { LogPosition } from './shipper-checkpoint'

/** One file of the log as it was when we looked. */
export interface LogFile {
  path: string
  identity: string
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

/** The file that a position stands in, or −1 when it is gone (or its inode belongs to another file). */
export async function findPosition(files: LogFile[], position: LogPosition): Promise<number> {
  const index = files.findIndex((file) => file.identity === position.identity)
  const file = files[index]
  if (!file) return -1
  return (await headOf(file.path, position.offset)) === position.head ? index : -1
}

/** What tells a file from a later one with the same inode: a digest of what was shipped first of it. */
export async function headOf(path: string, offset: number): Promise<string> {
  return withFile(path, '', async (file) => {
    const buffer = Buffer.alloc(Math.min(offset, HEAD_BYTES))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    return createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex')
  })
}

export interface LogLines {
  lines: { text: string; end: number }[]
  /** Bytes behind the last whole line: one that is being written, or was cut off. */
  rest: number
}

/**
 * The whole lines from `offset` on that fit into a chunk, at least one if there is one; `end` is the
 * offset behind its newline. Memory is bounded by the longest line.
 */
export async function readLines(path: string, offset: number): Promise<LogLines> {
  return withFile(path, { lines: [], rest: 0 }, async (file) => {
    for (let size = CHUNK_BYTES; ; size *= 2) {
      const buffer = Buffer.allocUnsafe(size)
      const { bytesRead } = await file.read(buffer, 0, size, offset)
      const chunk = buffer.subarray(0, bytesRead)
      const isWhole = chunk.includes(NEWLINE) || bytesRead < size
      if (isWhole) return splitLines(chunk, offset)
      // No line is that long: it is given up in pieces, which are malformed each.
      if (size >= LONGEST_LINE_BYTES) return { lines: [{ text: '', end: offset + size }], rest: 0 }
    }
  })
}

function splitLines(chunk: Buffer, offset: number): LogLines {
  const lines: LogLines['lines'] = []
  let start = 0
  for (;;) {
    const newline = chunk.indexOf(NEWLINE, start)
    if (newline < 0) return { lines, rest: chunk.length - start }
    lines.push({ text: chunk.toString('utf8', start, newline), end: offset + newline + 1 })
    start = newline + 1
  }
}

async function withFile<T>(
  path: string,
  ifAbsent: T,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(path, 'r').catch(absent(null))
  if (!file) return ifAbsent
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}

const absent =
  <T>(value: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return value
    throw error
  }
