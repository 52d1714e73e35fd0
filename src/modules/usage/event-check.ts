import type { UsageEvent } from './events'

/** An instant as `toISOString` writes it; the 29th of February is for the thorough check. */
const AT =
  /^20\d\d-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const KEY_ID = /^key_[0-9A-Za-z]{12}$/
const GATEWAY_ID = /^[a-z0-9-]{1,40}$/
const METHOD = /^[A-Z]{1,16}$/
/** What most paths are made of; others are for the thorough check. */
const PATH = /^[\x20-\x7e]{0,2048}$/
const FIELDS = 11
const LARGEST_INTEGER = 2_147_483_647

/**
 * Whether an event has exactly the form in which the ledger keeps it. Several times as fast as the
 * schema, which has the last word and the words for a refusal: it may accept what this does not,
 * never the other way about.
 */
export function isCanonicalEvent(raw: unknown): raw is UsageEvent {
  if (typeof raw !== 'object' || raw === null) return false
  const event = raw as Record<keyof UsageEvent, unknown>
  return hasTexts(event) && hasNumbers(event) && Object.keys(event).length === FIELDS
}

function hasTexts({ id, gatewayId, keyId, method, path, at }: Record<string, unknown>): boolean {
  return (
    isLike(ID, id) &&
    isLike(GATEWAY_ID, gatewayId) &&
    isLike(KEY_ID, keyId) &&
    isLike(METHOD, method) &&
    isLike(PATH, path) &&
    isLike(AT, at)
  )
}

function hasNumbers(event: Record<string, unknown>): boolean {
  const { sequence, status, durationMs, requestBytes, responseBytes } = event
  return (
    isCount(sequence) &&
    sequence > 0 &&
    isCount(status) &&
    status >= 100 &&
    status <= 999 &&
    isCount(durationMs) &&
    durationMs <= LARGEST_INTEGER &&
    isCount(requestBytes) &&
    isCount(responseBytes)
  )
}

const isLike = (form: RegExp, value: unknown): boolean =>
  typeof value === 'string' && form.test(value)

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0
