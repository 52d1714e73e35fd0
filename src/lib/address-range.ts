import { isIP } from 'node:net'

/** A range of IPv6 addresses; IPv4 lies in it as `::ffff:a.b.c.d`, so that both forms are one. */
export interface AddressRange {
  /** The first address of the range, 128 bits. */
  first: bigint
  /** Bits below the prefix. */
  hostBits: bigint
}

const V4_MAPPED = 0xffff_0000_0000n

/** Reads an address or a CIDR range, IPv4 or IPv6; bits below the prefix must be 0. Null for anything else. */
export function parseAddressRange(text: string): AddressRange | null {
  const [, address = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const value = parseAddress(address)
  if (value === null) return null
  const width = isIP(address) === 4 ? 32 : 128
  const bits = prefix === undefined ? width : Number(prefix)
  if (bits > width) return null
  const hostBits = BigInt(width - bits)
  return (value >> hostBits) << hostBits === value ? { first: value, hostBits } : null
}

/** An address as 128 bits, an IPv4 one mapped; null for what is none. */
export function parseAddress(text: string): bigint | null {
  const family = isIP(text)
  if (family === 4) return V4_MAPPED | v4(text)
  if (family === 6 && !text.includes('%')) return v6(text)
  return null
}

export function isInRanges(address: bigint, ranges: readonly AddressRange[]): boolean {
  return ranges.some(({ first, hostBits }) => (address ^ first) >> hostBits === 0n)
}

const v4 = (text: string): bigint =>
  text.split('.').reduce((value, octet) => (value << 8n) | BigInt(octet), 0n)

function v6(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const tail = dotted?.[2] === undefined ? null : v4(dotted[2]).toString(16).padStart(8, '0')
  const plain = tail === null ? text : `${dotted?.[1]}${tail.slice(0, 4)}:${tail.slice(4)}`
  const [head = '', rest] = plain.split('::')
  const before = groups(head)
  const after = rest === undefined ? [] : groups(rest)
  const zeros = Array<string>(8 - before.length - after.length).fill('0')
  return [...before, ...zeros, ...after].reduce(
    (value, group) => (value << 16n) | BigInt(`0x${group}`),
    0n,
  )
}

const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
