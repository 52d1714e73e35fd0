import { randomBytes } from 'node:crypto'
import type { Clock } from '#lib/clock'

/** The kinds of resource and the prefix of their ids. */
export type IdPrefix =
  | 'usr'
  | 'ses'
  | 'api'
  | 'cat'
  | 'rat'
  | 'plan'
  | 'prm'
  | 'sub'
  | 'per'
  | 'key'
  | 'evt'
  | 'gwc'
  | 'inv'
  | 'lin'
  | 'pay'
  | 'apr'
  | 'cmt'
  | 'tir'
  | 'hst'
  | 'dlq'
  | 'mail'
  | 'whe'
  | 'whd'
  | 'adj'
  | 'red'
  | 'crn'
  | 'acc'
  | 'txn'
  | 'pm'
  | 'ref'
  | 'dsp'
  | 'dun'
  | 'whi'

/** An id such as `sub_0192f7a0c1d47c3e8f00a1b2c3d4e5f6`: prefix and UUIDv7 in hex. */
export type Id<P extends IdPrefix> = `${P}_${string}`

const HEX = /^[0-9a-f]{32}$/
const BASE62 = /^[0-9A-Za-z]{12}$/

/**
 * A UUIDv7 (RFC 9562 §5.7) as 32 hex digits: 48 bits of unix milliseconds, then random bits, so
 * that ids made later sort later and indexes grow at one end.
 */
export function uuidv7(clock: Clock): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(clock.now().getTime(), 0, 6)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes.toString('hex')
}

export function newId<P extends IdPrefix>(prefix: P, clock: Clock): Id<P> {
  return `${prefix}_${uuidv7(clock)}`
}

/** Checks the form of an id that came from outside; null when it cannot be one. */
export function parseId<P extends IdPrefix>(prefix: P, text: string): Id<P> | null {
  const rest = text.startsWith(`${prefix}_`) ? text.slice(prefix.length + 1) : ''
  // A key is named by the twelve base62 characters that stand in the key itself.
  const form = prefix === 'key' ? BASE62 : HEX
  return form.test(rest) ? (text as Id<P>) : null
}
