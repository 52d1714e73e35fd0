import { createHash, randomBytes } from 'node:crypto'

const PREFIX = 'veil_rt_'

export interface RefreshToken {
  /** Given to the client, once. */
  text: string
  /** SHA-256 of the text: all that is kept. Enough for a secret of 256 random bits. */
  hash: Uint8Array
}

export function createRefreshToken(): RefreshToken {
  const text = PREFIX + randomBytes(32).toString('base64url')
  return { text, hash: hashRefreshToken(text) }
}

export const hashRefreshToken = (text: string): Uint8Array =>
  createHash('sha256').update(text).digest()
