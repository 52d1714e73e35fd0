import type { z } from 'zod'
import type { Db } from '#db/client'
import { publishMany } from '#infra/queue'
import { parseId } from '#lib/id'
import type { Collection } from './collection'
import { paymentDriftFound } from './events'
import { outcomeOf } from './outcome'
import type { Payment } from './payments.repository'
import { ProviderUnclear } from './provider-trouble'
import * as ours from './reconciliation.repository'
import type { Refund } from './refunds.repository'
import type { RefundService } from './refunds.service'
import type { ListedIntent, StripeApi, StripeRefund } from './stripe'

export interface ReconciliationParts {
  db: Db
  stripe: StripeApi
  collection: Collection
  refunds: RefundService
}

const DAY_MS = 86_400_000
const LOOK_BACK_MS = 7 * DAY_MS
/** What is younger may still be under way. */
const SETTLES_MS = 3_600_000

type Kind = z.infer<typeof paymentDriftFound.schema>['kind']

interface Drift {
  kind: Kind
  externalId: string
}

/** What was compared so far. */
class Tally {
  healed = 0
  readonly drift: Drift[] = []
  readonly intents = new Set<string>()
  readonly refunds = new Set<string>()

  /** Ours that the provider's list does not have. */
  miss(kind: Kind, ids: readonly string[], seen: ReadonlySet<string>): void {
    for (const externalId of ids) if (!seen.has(externalId)) this.drift.push({ kind, externalId })
  }
}

/**
 * Compares what the books say of the last week with Stripe's lists, both ways. What only was not heard of
 * heals as if Stripe had told it now; of the rest admins are told, of each difference once.
 */
export class Reconciliation {
  constructor(private readonly parts: ReconciliationParts) {}

  /** @throws ProviderUnclear when Stripe's lists cannot be read to their end */
  async reconcile(now: Date) {
    const { db, stripe } = this.parts
    const tally = new Tally()
    const from = new Date(now.getTime() - LOOK_BACK_MS)
    const span = { from, until: new Date(now.getTime() - SETTLES_MS) }
    // Stripe's clock may be behind ours.
    const since = new Date(from.getTime() - DAY_MS)
    for await (const page of stripe.intentsSince(since)) await this.comparePayments(page, tally)
    for await (const page of stripe.refundsSince(since)) await this.compareRefunds(page, tally)
    tally.miss('payment_missing', await ours.receivedBetween(db, span), tally.intents)
    tally.miss('refund_missing', await ours.refundedBetween(db, span), tally.refunds)
    await this.tell(tally.drift, now)
    const { healed, drift, intents, refunds } = tally
    return { payments: intents.size, refunds: refunds.size, healed, differing: drift.length }
  }

  private async comparePayments(page: readonly ListedIntent[], tally: Tally): Promise<void> {
    const find = () =>
      ours.findPayments(this.parts.db, {
        externalIds: page.map(({ id }) => id),
        paymentIds: page.flatMap(({ paymentId }) => parseId('pay', paymentId) ?? []),
      })
    const differing = (known: readonly Payment[]) =>
      page.filter((intent) => !isBooked(intent, recordOf(intent, known)))
    for (const { id } of page) tally.intents.add(id)
    const known = await find()
    const before = differing(known)
    for (const intent of before) {
      const payment = recordOf(intent, known)
      if (payment?.amount === intent.amountReceived)
        await this.heal(() => this.parts.collection.advance(payment))
    }
    const after = before.length === 0 ? [] : differing(await find())
    tally.healed += before.length - after.length
    for (const intent of after) {
      const kind = recordOf(intent, known) ? 'payment_differs' : 'payment_unknown'
      tally.drift.push({ kind, externalId: intent.id })
    }
  }

  private async compareRefunds(page: readonly StripeRefund[], tally: Tally): Promise<void> {
    const { db, refunds } = this.parts
    const externalIds = page.flatMap(({ intentId }) => intentId ?? [])
    const paid = await ours.findPayments(db, { externalIds, paymentIds: [] })
    const paymentOf = ({ intentId }: StripeRefund) =>
      paid.find(({ externalId }) => externalId === intentId)
    const mine = page.filter((refund) => paymentOf(refund))
    const told = mine.map(({ id }) => id)
    const differing = async () => {
      const found = await ours.findRefunds(db, told)
      const known = new Map(found.map((refund) => [refund.externalId, refund]))
      return mine.filter((refund) => !isSame(refund, known.get(refund.id)))
    }
    for (const id of told) tally.refunds.add(id)
    const before = await differing()
    for (const payment of new Set(before.flatMap((refund) => paymentOf(refund) ?? [])))
      await this.heal(() => refunds.sync(payment))
    const after = before.length === 0 ? [] : await differing()
    tally.healed += before.length - after.length
    for (const { id: externalId } of after) tally.drift.push({ kind: 'refund_differs', externalId })
  }

  /** What the books refuse is a difference like any other, and is found again. */
  private async heal(attempt: () => Promise<unknown>): Promise<void> {
    try {
      await attempt()
    } catch (error) {
      if (error instanceof ProviderUnclear) throw error
    }
  }

  private async tell(drift: readonly Drift[], now: Date): Promise<void> {
    const at = now.toISOString()
    const news = drift.map((one) => ({
      payload: { ...one, at },
      ...{ dedupeKey: `payment-drift:${one.kind}:${one.externalId}` },
      dedupeWindowMs: LOOK_BACK_MS + 2 * DAY_MS,
    }))
    await publishMany(this.parts.db, paymentDriftFound, news)
  }
}

/** Ours by Stripe's id; by our own only where Stripe's was not noted. */
const recordOf = (
  { id, paymentId }: ListedIntent,
  known: readonly Payment[],
): Payment | undefined =>
  known.find(({ externalId }) => externalId === id) ??
  known.find((payment) => payment.id === paymentId && payment.externalId === null)

/** Money that came in stands in the books, to the cent; where none came in, none does. */
function isBooked(intent: ListedIntent, payment: Payment | undefined): boolean {
  const isReceived = outcomeOf(intent).kind === 'succeeded'
  if (!isReceived) return payment?.status !== 'succeeded'
  const { status, amount, currency } = payment ?? {}
  return status === 'succeeded' && amount === intent.amountReceived && currency === intent.currency
}

const isSame = ({ state, amount }: StripeRefund, refund: Refund | undefined): boolean =>
  refund !== undefined &&
  refund.amount === amount &&
  refund.status === (state === 'waiting' ? 'pending' : state)
