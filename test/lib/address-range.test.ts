import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isInRanges, parseAddress, parseAddressRange } from '#lib/address-range'
import { invariant } from '#lib/errors'

const isIn = (address: string, range: string) =>
  isInRanges(invariant(parseAddress(address), address), [
    invariant(parseAddressRange(range), range),
  ])

test.each<[string, string, boolean]>([
  ['192.0.2.7', '192.0.2.7', true],
  ['192.0.2.8', '192.0.2.7', false],
  ['192.0.2.255', '192.0.2.0/24', true],
  ['192.0.3.0', '192.0.2.0/24', false],
  ['255.255.255.255', '0.0.0.0/0', true],
  ['::ffff:192.0.2.7', '192.0.2.0/24', true],
  ['::ffff:c000:207', '192.0.2.0/24', true],
  ['192.0.2.7', '::ffff:192.0.2.0/120', true],
  ['2001:db8::1', '0.0.0.0/0', false],
  ['192.0.2.7', '2000::/3', false],
  ['2001:db8::1', '2001:db8::/32', true],
  ['2001:db9::', '2001:db8::/32', false],
  ['::1', '::1', true],
  ['::2', '::1', false],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1/128', true],
  ['1:2:3:4:5:6:7:8', '::/0', true],
])('%s in %s: %s', (address, range, expected) => {
  expect(isIn(address, range)).toBe(expected)
})

test.each([
  ...['', 'x', '1.2.3', '1.2.3.4/33', '1.2.3.4/', '1.2.3.4/-1', '1.2.3.4/8', '01.2.3.4'],
  ...['::1/129', '2001:db8::1/32', ':::', '1::2::3', 'fe80::1%eth0', '1.2.3.4 ', '[::1]'],
])('%j is no range', (text) => {
  expect(parseAddressRange(text)).toBeNull()
})

test('an address is in exactly one of two ranges that share nothing', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 1, max: 32 }), (address, bits) => {
      const number = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
      const size = 2 ** (32 - bits)
      const text = (value: number) =>
        [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
      const first = Math.floor(number / size) * size
      expect(isIn(address, `${text(first)}/${bits}`)).toBe(true)
      expect(isIn(`::ffff:${address}`, `${text(first)}/${bits}`)).toBe(true)
      const other = (first + size) % 2 ** 32
      expect(isIn(address, `${text(other)}/${bits}`)).toBe(false)
    }),
  )
})

test('every IPv6 address is read as the URL parser reads it', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      // It makes some that no parser takes, with `::` for nothing.
      fc.pre(URL.canParse(`http://[${address}]/`))
      const short = new URL(`http://[${address}]/`).hostname.slice(1, -1)
      expect(parseAddress(short)).toBe(parseAddress(address))
    }),
  )
})
