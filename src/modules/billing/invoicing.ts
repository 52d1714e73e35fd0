import type { Db } from '#db/client'
import { invariant } from '#lib/errors'
import { type Id, newId } from '#lib/id'
import type { Plan, PricingService } from '#modules/pricing'
import { type Draft, type DuePeriod, draftOf, type Rating } from './due'
import * as due from './due.repository'
import type { BillingSettings } from './settings'

/** Subscriptions of one transaction. */
const AT_ONCE = 500
/** Subscriptions that are looked up together: reading what is due again for each batch would be quadratic. */
const LOOKED_UP = 50_000
const FIRST: Id<'sub'> = `sub_${'0'.repeat(32)}`

export interface InvoicingOptions {
  db: Db
  pricing: PricingService
  settings: () => BillingSettings
}

/** What holds for all drafts of a run; plans never change, so each is read once. */
type RunRating = Omit<Rating, 'discountsOf'> & { plans: Map<Id<'plan'>, Plan> }

/** Makes drafts of what is due; each thing once, whoever runs it and however often. */
export class Invoicing {
  constructor(private readonly options: InvoicingOptions) {}

  /** Closes periods that are over of subscriptions that are not renewed. */
  async closePeriods(now: Date): Promise<{ closed: number }> {
    let closed = 0
    for (;;) {
      const count = await due.closeOverdue(this.options.db, now, AT_ONCE)
      closed += count
      if (count < AT_ONCE) return { closed }
    }
  }

  async generate(now: Date): Promise<{ drafted: number }> {
    const { db, settings } = this.options
    const graceMs = settings().invoice.graceMinutes * 60_000
    const ripeAt = new Date(now.getTime() - graceMs)
    const plans = new Map<Id<'plan'>, Plan>()
    const planOf = ({ planId }: DuePeriod) => invariant(plans.get(planId), planId)
    let drafted = 0
    let after = FIRST
    for (;;) {
      const ids = await due.subscriptionsDue(db, { now, ripeAt, after, limit: LOOKED_UP })
      for (let start = 0; start < ids.length; start += AT_ONCE)
        drafted += await this.draftBatch(ids.slice(start, start + AT_ONCE), {
          ...{ now, graceMs, plans, planOf },
        })
      const last = ids.at(-1)
      if (!last || ids.length < LOOKED_UP) return { drafted }
      after = last
    }
  }

  /** One transaction: what is due, and that it is no longer. @returns how many drafts were made */
  private draftBatch(ids: readonly Id<'sub'>[], rating: RunRating): Promise<number> {
    return this.options.db.transaction(async (tx) => {
      const subscriptions = await due.lockDue(tx, ids)
      const periods = await due.loadPeriods(tx, ids, rating.now)
      await this.loadPlans(tx, periods, rating.plans)
      const discounts = await this.options.pricing.discountsOfPeriods(
        tx,
        periods.map(({ id }) => id),
      )
      const discountsOf = ({ id }: DuePeriod) => discounts.get(id) ?? []
      const periodsOf = Map.groupBy(periods, ({ subscriptionId }) => subscriptionId)
      const adjustmentsOf = Map.groupBy(
        await due.loadAdjustments(tx, ids),
        ({ subscriptionId }) => subscriptionId,
      )
      const drafts = subscriptions.flatMap((subscription) => {
        const { id } = subscription
        const of = { periods: periodsOf.get(id) ?? [], adjustments: adjustmentsOf.get(id) ?? [] }
        const draft = draftOf(of, { ...rating, discountsOf })
        return draft ? [{ subscription, ...draft }] : []
      })
      return write(tx, drafts, rating.now)
    })
  }

  private async loadPlans(tx: Db, periods: readonly DuePeriod[], plans: RunRating['plans']) {
    const missing = new Set(periods.map(({ planId }) => planId)).difference(plans)
    const found = await this.options.pricing.plansById([...missing], tx)
    for (const [id, plan] of found) plans.set(id, plan)
  }
}

type Drafted = Draft & { subscription: due.DueSubscription }

async function write(tx: Db, drafts: readonly Drafted[], now: Date): Promise<number> {
  const made = drafts.map((draft) => ({
    ...draft,
    invoiceId: draft.lines.length === 0 ? null : newId('inv', { now: () => now }),
  }))
  const invoiced = made.flatMap(({ invoiceId, ...draft }) =>
    invoiceId === null ? [] : [{ ...draft, id: invoiceId, createdAt: now }],
  )
  await due.insertDrafts(tx, invoiced)
  await due.settlePeriods(
    tx,
    made.flatMap(({ periods, invoiceId }) => periods.map((period) => ({ ...period, invoiceId }))),
  )
  await due.settleAdjustments(
    tx,
    invoiced.flatMap(({ adjustments, id: invoiceId }) =>
      adjustments.map((id) => ({ id, invoiceId })),
    ),
  )
  return invoiced.length
}
