import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSealer } from '#lib/sealing'

describe('sealing', () => {
  const sealer = createSealer('s'.repeat(32), 'answers')

  test('opens what it sealed, and never seals the same way twice', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (plain) => {
        const sealed = sealer.seal(plain)
        expect(sealer.open(sealed)).toBe(Buffer.from(plain).toString())
        expect(sealer.seal(plain)).not.toBe(sealed)
      }),
    )
  })

  test('the sealed text does not hold the plain one', () => {
    const sealed = sealer.seal('veil_secret_secret')
    expect(Buffer.from(sealed, 'base64').includes('veil_secret')).toBe(false)
  })

  test('another secret or another purpose does not open it', () => {
    const sealed = sealer.seal('plain')
    expect(() => createSealer('x'.repeat(32), 'answers').open(sealed)).toThrow()
    expect(() => createSealer('s'.repeat(32), 'signing-keys').open(sealed)).toThrow()
  })

  test('one flipped bit anywhere is noticed', () => {
    const bytes = Buffer.from(sealer.seal('attack at dawn'), 'base64')
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const altered = Buffer.from(bytes)
      altered[bit >> 3] = altered[bit >> 3]! ^ (1 << (bit & 7))
      expect(() => sealer.open(altered.toString('base64'))).toThrow()
    }
  })

  test('a text cut short at any length is noticed', () => {
    const bytes = Buffer.from(sealer.seal('a'), 'base64')
    for (let length = 0; length < bytes.length; length++)
      expect(() => sealer.open(bytes.subarray(0, length).toString('base64'))).toThrow()
  })
})
