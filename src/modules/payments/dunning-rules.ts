/** The operator's rules, as `dunning` in pricing.yaml has them. */
export interface DunningRules {
  retryDays: number[]
  /** Day → percent of the rate limits that is left from then on. */
  rateLimitPercentAfterDays: Record<string, number>
  suspendAfterDays: number
  cancelAfterDays: number
}

/** What is known of an invoice that is not paid. */
export interface Debt {
  /** Day 0: the first decline, or the due date where that came first; null while there is neither. */
  startedAt: Date | null
  /** When a card was last tried; null when none was. */
  triedAt: Date | null
  /** Why that failed. */
  failureCode: string | null
  /** A payment is under way. */
  isPending: boolean
  /** The card that would be charged: none, the one that was tried last, or another. */
  card: 'none' | 'tried' | 'new'
}

export type Stage =
  | { kind: 'past_due' }
  | { kind: 'softened'; percent: number }
  | { kind: 'suspended' }
  | { kind: 'cancelled' }

/**
 * What a failure says of the next try. `passing`: by the calendar; `final`: not with this card;
 * `confirm`: not without its owner; `unasked`: a day later, no bank has declined; `too_small`: never.
 */
export type FailureKind = 'passing' | 'final' | 'confirm' | 'unasked' | 'too_small'

const kindsOf = (kind: FailureKind, ...codes: string[]) =>
  Object.fromEntries(codes.map((code) => [code, kind]))

const KINDS: Record<string, FailureKind> = {
  ...kindsOf('final', 'lost_card', 'stolen_card', 'pickup_card', 'restricted_card', 'fraudulent'),
  ...kindsOf('final', 'expired_card', 'incorrect_number', 'invalid_account', 'resource_missing'),
  ...kindsOf('final', 'card_not_supported', 'currency_not_supported', 'stop_payment_order'),
  ...kindsOf('final', 'revocation_of_authorization', 'revocation_of_all_authorizations'),
  ...kindsOf('confirm', 'authentication_required'),
  ...kindsOf('unasked', 'provider_unavailable', 'no_method', 'canceled'),
  ...kindsOf('too_small', 'amount_too_small'),
}

export const failureKind = (code: string | null): FailureKind =>
  (code === null ? undefined : KINDS[code]) ?? 'passing'

/** Failures of these kinds do not begin a debt. */
export const NO_DECLINE = Object.keys(KINDS).filter((code) =>
  ['unasked', 'too_small'].includes(failureKind(code)),
)

const DAY_MS = 86_400_000
export const dayAfter = (start: Date, days: number): Date =>
  new Date(start.getTime() + days * DAY_MS)

/**
 * When a card is tried next: `now` at the latest where that is due, null for never. What a downtime
 * missed is made up for by one try.
 */
export function nextTryAt({ retryDays }: DunningRules, debt: Debt, now: Date): Date | null {
  const { startedAt, triedAt, card, isPending } = debt
  const kind = failureKind(debt.failureCode)
  if (isPending || card === 'none' || kind === 'too_small') return null
  if (card === 'new' || triedAt === null) return now
  if (kind === 'unasked') return dayAfter(triedAt, 1)
  if (kind !== 'passing' || startedAt === null) return null
  return retryDays.map((day) => dayAfter(startedAt, day)).find((at) => at > triedAt) ?? null
}

/** How far the soft landing of a subscription is, by its oldest debt; null before its first day. */
export function stageAt(rules: DunningRules, startedAt: Date, now: Date): Stage | null {
  const reached = stagesOf(rules).findLast(({ day }) => dayAfter(startedAt, day) <= now)
  return reached?.stage ?? null
}

/** From the mildest to the harshest: of those whose day has come the last one holds. */
function stagesOf(rules: DunningRules): { day: number; stage: Stage }[] {
  const softer = Object.entries(rules.rateLimitPercentAfterDays)
    .map(([day, percent]) => ({ day: Number(day), stage: { kind: 'softened' as const, percent } }))
    .toSorted((a, b) => a.day - b.day)
  return [
    { day: 0, stage: { kind: 'past_due' } },
    ...softer,
    { day: rules.suspendAfterDays, stage: { kind: 'suspended' } },
    { day: rules.cancelAfterDays, stage: { kind: 'cancelled' } },
  ]
}
