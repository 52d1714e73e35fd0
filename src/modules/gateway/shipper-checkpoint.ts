import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'

const Position = z.object({
  /** `device:inode`: a file keeps it when it is renamed. */
  identity: z.string(),
  /** Bytes of it that have been shipped. */
  offset: z.int().nonnegative(),
  /** SHA-256 of its first bytes: an inode that was given to another file is noticed. */
  head: z.string(),
})

const Checkpoint = z.object({
  gatewayId: z.string(),
  /** Number of the next event, from 1. */
  nextSequence: z.int().positive(),
  /** Null before the first line. */
  position: Position.nullable(),
})

export type LogPosition = z.infer<typeof Position>
export type ShipperCheckpoint = z.infer<typeof Checkpoint>

/** Null where there is none. @throws Error where there is one that cannot be read */
export async function readCheckpoint(path: string): Promise<ShipperCheckpoint | null> {
  try {
    return Checkpoint.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Replaces the checkpoint: after a power cut there is the old one or the new one, never half of it. */
export async function writeCheckpoint(path: string, checkpoint: ShipperCheckpoint): Promise<void> {
  const beside = `${path}.next`
  await withFile(beside, 'w', async (file) => {
    await file.writeFile(JSON.stringify(checkpoint))
    await file.sync()
  })
  await rename(beside, path)
  await withFile(dirname(path), 'r', (folder) => folder.sync())
}

async function withFile(
  path: string,
  flags: string,
  work: (file: Awaited<ReturnType<typeof open>>) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags)
  try {
    await work(file)
  } finally {
    await file.close()
  }
}
