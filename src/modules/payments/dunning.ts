import type { Db } from '#db/client'
import type { Logger } from '#infra/logger'
import type { Clock } from '#lib/clock'
import type { Id } from '#lib/id'
import { type PageRequest, toPage } from '#lib/page'
import type { Settlement } from '#modules/billing'
import type { Lifecycle } from '#modules/subscriptions'
import { attempted } from './attempted'
import type { Collection } from './collection'
import type { DebtRow } from './dunning.repository'
import * as debts from './dunning.repository'
import { type DunningRules, dayAfter, nextTryAt, type Stage, stageAt } from './dunning-rules'
import { findInvoice } from './payments.repository'

export interface DunningParts {
  db: Db
  clock: Clock
  logger: Logger
  settlement: Settlement
  lifecycle: Lifecycle
  /** Null where payments are taken by hand: nothing is tried, all the rest is done. */
  collection: Collection | null
  rules: () => DunningRules
}

const AT_ONCE = 200

/**
 * What becomes of invoices that are not paid: cards are tried again, subscriptions land softly, and what is
 * never paid is given up. Nothing is kept about it: how far it is follows from the invoice, its tries and
 * the day, so that a run after a downtime does what is due now, and a second one nothing.
 */
export class Dunning {
  constructor(private readonly parts: DunningParts) {}

  async runOnce(now: Date) {
    // First the cards: who pays today is not cut off today.
    const tried = await this.tryAgain(now)
    const landed = await this.land(now)
    const given = await this.giveUp(now)
    const freed = await this.free(now)
    const broken = tried.broken + landed.broken + given.broken + freed.broken
    return { ...tried, ...landed, ...given, ...freed, broken }
  }

  /** Nothing is owed for an invoice any more: its subscription goes on, if nothing else is overdue. */
  async recover(invoiceId: Id<'inv'>): Promise<void> {
    const invoice = await findInvoice(this.parts.db, invoiceId)
    if (invoice?.subscriptionId) await this.reinstate(invoice.subscriptionId)
  }

  /** Who is in dunning, newest invoice first. */
  async list(page: PageRequest) {
    const now = this.parts.clock.now()
    const rows = await debts.pageOfDebts(this.parts.db, now, page)
    const { items, nextCursor } = toPage(rows, page.limit)
    return { items: items.map((debt) => this.viewOf(debt, now)), nextCursor }
  }

  private async tryAgain(now: Date) {
    const { db, collection } = this.parts
    const counts = { paid: 0, declined: 0, unclear: 0 }
    const listed = (after: Id<'inv'> | null) => debts.listDebts(db, now, after, AT_ONCE)
    const broken = await this.each(listed, async (debt) => {
      const at = nextTryAt(this.parts.rules(), debt, now)
      if (!collection || at === null || at > now) return
      const payment = await attempted(this.parts.logger, debt.id, () =>
        collection.collect(debt.id, debt.attempts),
      )
      if (payment === 'broken') return 'broken'
      if (payment === 'unclear' || payment?.status === 'pending') counts.unclear++
      else if (payment?.status === 'succeeded') counts.paid++
      else if (payment) counts.declined++
      return undefined
    })
    return { ...counts, broken }
  }

  private async land(now: Date) {
    const counts = { pastDue: 0, softened: 0, suspended: 0, cancelled: 0 }
    const listed = (after: Id<'sub'> | null) =>
      debts.listIndebted(this.parts.db, now, after, AT_ONCE)
    const broken = await this.each(listed, async ({ id, startedAt }) => {
      const stage = stageAt(this.parts.rules(), startedAt, now)
      if (stage) await this.landOn(stage, id, now, counts)
    })
    return { ...counts, broken }
  }

  private async landOn(
    stage: Stage,
    id: Id<'sub'>,
    now: Date,
    counts: Record<'pastDue' | 'softened' | 'suspended' | 'cancelled', number>,
  ): Promise<void> {
    const { lifecycle } = this.parts
    switch (stage.kind) {
      case 'cancelled':
        counts.cancelled += Number(await lifecycle.cancelForDebt(id, now))
        return
      case 'suspended':
        counts.suspended += Number(await lifecycle.suspendForDebt(id, now))
        return
      case 'softened':
        counts.pastDue += Number(await lifecycle.markPastDue(id, now))
        counts.softened += Number(await lifecycle.softenRateLimit(id, stage.percent, now))
        return
      case 'past_due':
        counts.pastDue += Number(await lifecycle.markPastDue(id, now))
    }
  }

  /** Only once the subscription has ended, so that a debt never vanishes under one that goes on. */
  private async giveUp(now: Date) {
    const { db, settlement, rules } = this.parts
    const before = dayAfter(now, -rules().cancelAfterDays)
    const listed = (after: Id<'inv'> | null) => debts.listHopeless(db, before, after, AT_ONCE)
    let uncollectible = 0
    const broken = await this.each(listed, async ({ id }) => {
      await db.transaction((tx) => settlement.markUncollectible(tx, id, now))
      uncollectible++
    })
    return { uncollectible, broken }
  }

  /** Those that owe nothing any more, whatever became of the event that says so. */
  private async free(now: Date) {
    let reinstated = 0
    const listed = (after: Id<'sub'> | null) => debts.listFreed(this.parts.db, now, after, AT_ONCE)
    const broken = await this.each(listed, async ({ id }) => {
      reinstated += Number(await this.reinstate(id))
    })
    return { reinstated, broken }
  }

  private async reinstate(id: Id<'sub'>): Promise<boolean> {
    const { db, clock, lifecycle } = this.parts
    const now = clock.now()
    return (await debts.owes(db, id, now)) ? false : lifecycle.reinstate(id, now)
  }

  /** Does it to each of a list that is read in parts; what fails of one stops none of the others. */
  private async each<T extends { id: string }>(
    listed: (after: T['id'] | null) => Promise<T[]>,
    work: (one: T) => Promise<unknown>,
  ): Promise<number> {
    let broken = 0
    for (let after: T['id'] | null = null; ; ) {
      const rows: T[] = await listed(after)
      for (const row of rows)
        if ((await attempted(this.parts.logger, row.id, () => work(row))) === 'broken') broken++
      after = rows.at(-1)?.id ?? null
      if (rows.length < AT_ONCE) return broken
    }
  }

  private viewOf(debt: DebtRow, now: Date) {
    const { id, number, userId, subscriptionId, currency, attempts, failureCode } = debt
    const rules = this.parts.rules()
    const startedAt = debt.startedAt ?? now
    const next = this.parts.collection && nextTryAt(rules, debt, now)
    return {
      ...{ invoiceId: id, number, userId, subscriptionId, currency, attempts, failureCode },
      amountDue: Number(debt.amountDue),
      startedAt: startedAt.toISOString(),
      step: stageAt(rules, startedAt, now)?.kind ?? 'past_due',
      nextTryAt: next?.toISOString() ?? null,
      suspendsAt: dayAfter(startedAt, rules.suspendAfterDays).toISOString(),
      endsAt: dayAfter(startedAt, rules.cancelAfterDays).toISOString(),
    }
  }
}
