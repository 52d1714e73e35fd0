import { createHash } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import type { TableImage } from './authorize-keys'
import type { EdgeImage } from './edge-state'

/** Raised whenever a row or the head changes: an older file is then ignored. */
const FORMAT = 'veil-edge-snapshot/1'
const CHECKSUM = 'sha256'
const CHECKSUM_BYTES = 32
const CHUNK = 2 ** 22
const NEW_LINE = 0x0a

export interface Snapshot {
  image: EdgeImage
  /** Transactions from here on may have written what the image lacks. */
  since: string
}

/** The first line; rows of keys and of subscriptions follow, then the checksum of all before it. */
interface Head {
  format: string
  since: string
  keyBytes: number
  freeKeys: number[]
  subscriptionBytes: number
  freeSubscriptions: number[]
  apiIds: string[]
  limits: EdgeImage['limits']
  caps: EdgeImage['caps']
  scopes: EdgeImage['scopes']
}

/** Replaces the file whole or not at all; readable by nobody else. Calls are answered meanwhile. */
export async function writeSnapshot(path: string, { image, since }: Snapshot): Promise<void> {
  const { keys, subscriptions, ...rest } = image
  const head: Head = {
    ...{ format: FORMAT, since, ...rest },
    ...{ keyBytes: keys.rows.byteLength, freeKeys: keys.free },
    ...{ subscriptionBytes: subscriptions.rows.byteLength, freeSubscriptions: subscriptions.free },
  }
  const checksum = createHash(CHECKSUM)
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    for (const part of [Buffer.from(`${JSON.stringify(head)}\n`), keys.rows, subscriptions.rows])
      for (let at = 0; at < part.byteLength; at += CHUNK) {
        const chunk = part.subarray(at, at + CHUNK)
        checksum.update(chunk)
        await file.writeFile(chunk)
      }
    await file.writeFile(checksum.digest())
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}

/** Null when there is none. Throws an `Error` that says why the file is of no use. */
export async function readSnapshot(path: string): Promise<Snapshot | null> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (bytes === null) return null
  const end = bytes.byteLength - CHECKSUM_BYTES
  const checksum = createHash(CHECKSUM)
    .update(bytes.subarray(0, Math.max(0, end)))
    .digest()
  if (end < 0 || !checksum.equals(bytes.subarray(end))) throw new Error('its checksum is wrong')
  const headEnd = bytes.indexOf(NEW_LINE) + 1
  const head = JSON.parse(bytes.toString('utf8', 0, headEnd)) as Head
  if (head.format !== FORMAT) throw new Error(`it has the format ${head.format}, not ${FORMAT}`)
  const { since, keyBytes, freeKeys, subscriptionBytes, freeSubscriptions, ...rest } = head
  const table = (start: number, length: number, free: number[]): TableImage => ({
    rows: bytes.subarray(start, start + length),
    free,
  })
  const keys = table(headEnd, keyBytes, freeKeys)
  const subscriptions = table(headEnd + keyBytes, subscriptionBytes, freeSubscriptions)
  return { since, image: { ...rest, keys, subscriptions } }
}
