import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { API_KEY_LENGTH, generateApiKey, parseApiKey } from '#lib/api-key'
import { decodeBase62, encodeBase62, randomBase62 } from '#lib/base62'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const zeros = (count: number) => new Uint8Array(count)

describe('a generated key', () => {
  it('has id, secret and checksum in their places', () => {
    const made = generateApiKey(randomBytes)
    expect(made.key).toMatch(/^veil_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/)
    expect(made.key).toHaveLength(API_KEY_LENGTH)
    expect(parseApiKey(made.key)).toEqual({ id: made.id, secret: made.secret })
    expect(made.lastFour).toBe(made.key.slice(-4))
  })

  it('is stored as SHA-256 of its secret', () => {
    const { secret, hash } = generateApiKey(randomBytes)
    expect(hash.equals(createHash('sha256').update(secret).digest())).toBe(true)
  })

  it('ends with CRC-32 of all that precedes, in base62', () => {
    const { key } = generateApiKey(zeros)
    const checked = `veil_${'0'.repeat(12)}_${'0'.repeat(32)}`
    expect(key.slice(0, -6)).toBe(checked)
    expect(decodeBase62(key, 50, 56)).toBe(crc32(checked))
  })

  it('throws away the bytes that would favour some characters', () => {
    const bytes = [255, 248, 250, 247, 61, 62, 0]
    const source = (count: number) => Uint8Array.from(bytes.splice(0, count))
    expect(randomBase62(4, source)).toBe('zz00')
  })

  it('uses every character about as often as any other', () => {
    const counts = new Map<string, number>()
    for (const character of randomBase62(62_000, randomBytes)) {
      counts.set(character, (counts.get(character) ?? 0) + 1)
    }
    expect([...counts.keys()].sort().join('')).toBe(ALPHABET)
    // Seven standard deviations around 1,000: fails once in 10^10 runs by chance.
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(225)
  })
})

describe('parsing a key', () => {
  const { key } = generateApiKey(randomBytes)

  it.each([
    ['nothing', ''],
    ['another prefix', `vail${key.slice(4)}`],
    ['an upper-case prefix', `VEIL${key.slice(4)}`],
    ['one character short', key.slice(0, -1)],
    ['one character long', `${key}0`],
    ['no separator', `${key.slice(0, 17)}0${key.slice(18)}`],
    ['a space before', ` ${key}`.slice(0, 56)],
    ['a character outside the alphabet in the id', `${key.slice(0, 5)}-${key.slice(6)}`],
    ['one in the secret', `${key.slice(0, 20)}é${key.slice(21)}`],
    ['one in the checksum', `${key.slice(0, 55)}_`],
    ['a checksum beyond 32 bits', `${key.slice(0, 50)}zzzzzz`],
  ])('refuses %s', (_, text) => {
    expect(parseApiKey(text)).toBeNull()
  })

  it('refuses every change of a single character', () => {
    const position = fc.integer({ min: 0, max: API_KEY_LENGTH - 1 })
    const character = fc.integer({ min: 0, max: 61 }).map((digit) => ALPHABET.charAt(digit))
    fc.assert(
      fc.property(position, character, (at, other) => {
        fc.pre(key.charAt(at) !== other)
        expect(parseApiKey(key.slice(0, at) + other + key.slice(at + 1))).toBeNull()
      }),
    )
  })

  it('refuses any text without throwing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        expect(parseApiKey(text)).toBeNull()
      }),
    )
  })

  it('accepts what was generated, whatever the random bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 247 }), { minLength: 44 }), (bytes) => {
        const left = [...bytes]
        const source = (count: number) => Uint8Array.from(left.splice(0, count))
        const made = generateApiKey(source)
        expect(parseApiKey(made.key)).toEqual({ id: made.id, secret: made.secret })
      }),
    )
  })
})

describe('base62', () => {
  it('brings every number of 32 bits back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (value) => {
        expect(decodeBase62(encodeBase62(value, 6), 0, 6)).toBe(value)
      }),
    )
  })
})
