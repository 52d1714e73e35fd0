import { type AddressRange, isInRanges, parseAddress, parseAddressRange } from '#lib/address-range'
import { matchesOperation, parseOperationPattern, segmentsOf } from '#lib/operation-pattern'
import type { RequestHead } from './authorize-head'

/** What a key is limited to; an empty list limits nothing. */
export interface EdgeScope {
  operations: readonly string[]
  addresses: readonly string[]
}

/** What a call is for and where it comes from, as the gateway saw it; null for what it did not say. */
export interface CallTarget {
  method: string | null
  /** The path behind the API, as it came over the wire, without the query. */
  path: string | null
  address: string | null
  /** A header asks the upstream to take another method than the call's. */
  overridesMethod: boolean
}

export type ScopeRefusal = 'operation_not_allowed' | 'address_not_allowed'

/** The limits of a key, compiled. What cannot be read, in the limits or in the call, permits nothing. */
export class Scope {
  readonly #operations
  readonly #addresses

  constructor(readonly source: EdgeScope) {
    const { operations, addresses } = source
    this.#operations = operations.length === 0 ? null : compiled(operations, parseOperationPattern)
    this.#addresses = addresses.length === 0 ? null : compiled(addresses, parseAddressRange)
  }

  refuses(target: CallTarget): ScopeRefusal | null {
    if (this.#addresses && !comesFrom(this.#addresses, target)) return 'address_not_allowed'
    if (this.#operations === null) return null
    const { method, path, overridesMethod } = target
    const segments = path === null ? null : segmentsOf(path)
    if (method === null || segments === null || overridesMethod) return 'operation_not_allowed'
    return matchesOperation(this.#operations, method, segments) ? null : 'operation_not_allowed'
  }
}

function comesFrom(ranges: AddressRange[], { address }: CallTarget): boolean {
  const value = address === null ? null : parseAddress(address)
  return value !== null && isInRanges(value, ranges)
}

function compiled<T>(texts: readonly string[], parse: (text: string) => T | null): T[] {
  return texts.flatMap((text) => parse(text) ?? [])
}

const METHOD = /\nX-Forwarded-Method:([^\r]*)/gi
const TARGET = /\nX-Forwarded-Uri:([^\r]*)/gi
const ADDRESS = /\nX-Veil-Address:([^\r]*)/gi
const OVERRIDE = /\nX-(?:HTTP-)?Method(?:-Override)?:/i

/** Read from the head only for keys with limits: all others shall not pay for it. */
export function targetOf({ whole }: RequestHead): CallTarget {
  return {
    method: only(whole, METHOD),
    path: pathBehindApi(only(whole, TARGET)),
    address: only(whole, ADDRESS),
    overridesMethod: OVERRIDE.test(whole),
  }
}

/** The value of a field that stands there once. */
function only(text: string, field: RegExp): string | null {
  const [first, ...others] = text.matchAll(field)
  return others.length === 0 ? (first?.[1]?.trim() ?? null) : null
}

/** `/weather/cities/7?q=1` → `/cities/7`; nothing behind the API is the empty path. */
function pathBehindApi(target: string | null): string | null {
  return target === null ? null : (/^\/[^/?]+([^?]*)/.exec(target)?.[1] ?? null)
}
