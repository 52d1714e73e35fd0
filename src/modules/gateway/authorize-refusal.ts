import type { SpendCap } from './edge-subscriptions'

export type RefusalCode =
  | 'key_missing'
  | 'key_not_accepted'
  | 'key_of_another_api'
  | 'key_pending'
  | 'key_revoked'
  | 'key_expired'
  | 'operation_not_allowed'
  | 'address_not_allowed'
  | 'subscription_inactive'
  | 'subscription_unpaid'
  | 'spend_cap_reached'
  | 'quota_exhausted'
  | 'rate_limited'
  | 'authorize_unavailable'

interface RefusalText {
  readonly status: number
  readonly title: string
  readonly detail: string
}

const NOT_AUTHENTICATED = 'Not authenticated'
const PAYMENT_REQUIRED = 'Payment required'
const NOT_PERMITTED = 'Not permitted'
const TOO_MANY = 'Too many requests'

/** What each code says. An unknown id and a wrong secret share one text, so that ids cannot be probed. */
export const REFUSALS: Record<RefusalCode, RefusalText> = {
  key_missing: {
    status: 401,
    title: NOT_AUTHENTICATED,
    detail: 'Send your API key in X-API-Key or as Authorization: Bearer.',
  },
  key_not_accepted: {
    status: 401,
    title: NOT_AUTHENTICATED,
    detail: 'This API key is not accepted here. Check that it is complete and belongs to this API.',
  },
  key_of_another_api: {
    status: 401,
    title: NOT_AUTHENTICATED,
    detail: 'This API key belongs to another API. Subscribe to this one to get a key for it.',
  },
  key_pending: {
    status: 401,
    title: NOT_AUTHENTICATED,
    detail: 'This API key is not in force yet. Try again in a moment.',
  },
  key_revoked: {
    status: 401,
    title: NOT_AUTHENTICATED,
    detail: 'This API key has been revoked. Create a new one.',
  },
  key_expired: {
    status: 401,
    title: NOT_AUTHENTICATED,
    detail: 'This API key has expired. Use its successor or create a new one.',
  },
  operation_not_allowed: {
    status: 403,
    title: NOT_PERMITTED,
    detail: 'This API key is limited to other operations. Its owner can change that.',
  },
  address_not_allowed: {
    status: 403,
    title: NOT_PERMITTED,
    detail: 'This API key is limited to other source addresses. Its owner can change that.',
  },
  subscription_inactive: {
    status: 403,
    title: NOT_PERMITTED,
    detail: 'The subscription of this API key is not active. Renew it to go on.',
  },
  subscription_unpaid: {
    status: 402,
    title: PAYMENT_REQUIRED,
    detail: 'The subscription of this API key has unpaid invoices. Pay them to go on.',
  },
  spend_cap_reached: {
    status: 402,
    title: PAYMENT_REQUIRED,
    detail:
      'The next call would pass the spend cap of this subscription. Raise it with PUT /subscriptions/{id}/spend-cap, or wait for the next period.',
  },
  quota_exhausted: {
    status: 429,
    title: TOO_MANY,
    detail: 'The quota of this billing period is used up.',
  },
  rate_limited: { status: 429, title: TOO_MANY, detail: 'Too many calls in a short time.' },
  authorize_unavailable: {
    status: 503,
    title: 'Unavailable',
    detail: 'The API key cannot be checked at the moment. Try again in a second.',
  },
}

/** A call that does not pass. */
export interface Refusal {
  readonly admitted: false
  readonly status: number
  readonly code: RefusalCode
  /** Whole seconds, at least 1; null where waiting does not help. */
  readonly retryAfter: number | null
  /** Set once the secret is proven: the refusal may be counted against the key. */
  readonly keyId: string | null
  readonly subscriptionId: string | null
  readonly rateLimit: string
  readonly rateLimitPolicy: string
  /** The policies that refuse, by their names in `RateLimit-Policy`. */
  readonly violatedPolicies: readonly string[]
  /** The cap that refuses. */
  readonly spendCap: SpendCap | null
  /** The key (`key_…`) that a look-up in the database might bring or wake. */
  readonly lookUp: string | null
}

type RefusalParts = Partial<Omit<Refusal, 'admitted' | 'status' | 'code'>>

export function refusal(code: RefusalCode, parts: RefusalParts = {}): Refusal {
  return {
    admitted: false,
    status: REFUSALS[code].status,
    code,
    retryAfter: null,
    keyId: null,
    subscriptionId: null,
    rateLimit: '',
    rateLimitPolicy: '',
    violatedPolicies: [],
    spendCap: null,
    lookUp: null,
    ...parts,
  }
}

/**
 * The body of a refusal (RFC 9457). `violated-policies` is the member that the problem types of
 * draft-ietf-httpapi-ratelimit-headers give the policies' names.
 */
export function problemBody(refused: Refusal, requestId: string | null): string {
  const { status, title, detail } = REFUSALS[refused.code]
  const violated = refused.violatedPolicies
  return JSON.stringify({
    type: `urn:veil:problem:${refused.code}`,
    title,
    status,
    detail: violated.length === 0 ? detail : `${detail} Limit: ${violated.join(', ')}.`,
    code: refused.code,
    ...(requestId === null ? {} : { requestId }),
    ...(violated.length === 0 ? {} : { 'violated-policies': violated }),
    ...(refused.spendCap && capMembers(refused.spendCap)),
  })
}

/** Amounts in minor units of the currency. */
function capMembers({ amount, spend, currency }: SpendCap) {
  return { spendCap: amount, spend, currency }
}
