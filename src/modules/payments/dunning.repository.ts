import {
  and,
  asc,
  count,
  desc,
  eq,
  exists,
  gt,
  inArray,
  isNotNull,
  isNull,
  notExists,
  or,
  sql,
} from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { Db } from '#db/client'
import { olderThan } from '#db/paging'
import { invoices } from '#db/schema/billing'
import { paymentMethods, paymentRecords } from '#db/schema/payments'
import { apiSubscriptions, billingPeriods } from '#db/schema/subscriptions'
import type { Id } from '#lib/id'
import type { PageRequest } from '#lib/page'
import { type Debt, NO_DECLINE } from './dunning-rules'

/** The tries for the invoice of the row that this is joined to. */
function triesOf(db: Db) {
  const { attempt, channel, status, failureCode, methodId, createdAt } = paymentRecords
  const byCard = sql`filter (where ${channel} = 'card')`
  const last = (column: AnyPgColumn) =>
    sql`(array_agg(${column} order by ${attempt} desc) ${byCard})[1]`
  const isDecline = sql`${channel} = 'card' and ${status} = 'failed' and not ${inArray(failureCode, NO_DECLINE)}`
  return db
    .select({
      attempts: count().as('attempts'),
      isPending: sql<boolean>`coalesce(bool_or(${status} = 'pending'), false)`.as('is_pending'),
      declinedAt: sql<Date | null>`min(${createdAt}) filter (where ${isDecline})`
        .mapWith(createdAt)
        .as('declined_at'),
      triedAt: sql<Date | null>`max(${createdAt}) ${byCard}`.mapWith(createdAt).as('tried_at'),
      lastCode: sql<string | null>`${last(failureCode)}`.as('last_code'),
      lastMethodId: sql<Id<'pm'> | null>`${last(methodId)}`.mapWith(methodId).as('last_method_id'),
    })
    .from(paymentRecords)
    .where(eq(paymentRecords.invoiceId, invoices.id))
    .as('tries')
}

/** Final invoices that are not paid, with what was tried. */
function unpaid(db: Db) {
  const tries = triesOf(db)
  const newest = sql<Id<'pm'> | null>`(
    select ${paymentMethods.id} from ${paymentMethods}
    where ${paymentMethods.userId} = ${invoices.userId} and ${paymentMethods.removedAt} is null
    order by ${paymentMethods.createdAt} desc, ${paymentMethods.id} desc limit 1)`
  return db
    .select({
      ...{ id: invoices.id, number: invoices.number, userId: invoices.userId },
      ...{ subscriptionId: invoices.subscriptionId, currency: invoices.currency },
      ...{ amountDue: invoices.amountDue, createdAt: invoices.createdAt },
      ...{ attempts: tries.attempts, isPending: tries.isPending, triedAt: tries.triedAt },
      ...{ lastCode: tries.lastCode, lastMethodId: tries.lastMethodId },
      newestMethodId: newest.mapWith(paymentMethods.id).as('newest_method_id'),
      startedAt: sql<Date | null>`least(${tries.declinedAt}, ${invoices.dueAt})`
        .mapWith(invoices.createdAt)
        .as('started_at'),
    })
    .from(invoices)
    .innerJoinLateral(tries, sql`true`)
    .where(and(inArray(invoices.status, ['open', 'past_due']), gt(invoices.amountDue, 0n)))
    .as('unpaid')
}

type Unpaid = ReturnType<typeof unpaid>

const isDue = ({ startedAt }: Unpaid, now: Date) =>
  sql`${startedAt} <= ${sql.param(now, invoices.createdAt)}`

/** Of an amount that is too small to be charged nobody is dunned. */
const hasBegun = (debts: Unpaid, now: Date) =>
  and(isDue(debts, now), sql`${debts.lastCode} is distinct from 'amount_too_small'`)

/** An invoice that is not paid, as far as dunning goes. */
export interface DebtRow extends Debt {
  id: Id<'inv'>
  number: string | null
  userId: Id<'usr'>
  subscriptionId: Id<'sub'> | null
  currency: string
  amountDue: bigint
  createdAt: Date
  attempts: number
}

/** Those that are in dunning, or were tried in vain, in a fixed order. */
export async function listDebts(
  db: Db,
  now: Date,
  after: Id<'inv'> | null,
  limit: number,
): Promise<DebtRow[]> {
  const debts = unpaid(db)
  const rows = await db
    .select()
    .from(debts)
    .where(
      and(
        or(isDue(debts, now), gt(debts.attempts, 0)),
        after === null ? undefined : gt(debts.id, after),
      ),
    )
    .orderBy(asc(debts.id))
    .limit(limit)
  return rows.map(debtOf)
}

/** Those that are in dunning, newest invoice first, one more than asked for. */
export async function pageOfDebts(db: Db, now: Date, page: PageRequest): Promise<DebtRow[]> {
  const debts = unpaid(db)
  const rows = await db
    .select()
    .from(debts)
    .where(and(hasBegun(debts, now), olderThan(debts, page.after)))
    .orderBy(desc(debts.createdAt), desc(debts.id))
    .limit(page.limit + 1)
  return rows.map(debtOf)
}

/** Since when each subscription that goes on has its oldest debt, in a fixed order. */
export function listIndebted(db: Db, now: Date, after: Id<'sub'> | null, limit: number) {
  const debts = unpaid(db)
  return db
    .select({ id: apiSubscriptions.id, startedAt: oldestOf(debts) })
    .from(debts)
    .innerJoin(apiSubscriptions, eq(apiSubscriptions.id, debts.subscriptionId))
    .where(
      and(
        isNull(apiSubscriptions.endedAt),
        hasBegun(debts, now),
        after === null ? undefined : gt(apiSubscriptions.id, after),
      ),
    )
    .groupBy(apiSubscriptions.id)
    .orderBy(asc(apiSubscriptions.id))
    .limit(limit)
}

const oldestOf = ({ startedAt }: Unpaid) => sql<Date>`min(${startedAt})`.mapWith(invoices.createdAt)

/** Invoices whose dunning began before an instant and whose subscription, if any, has ended. */
export function listHopeless(db: Db, before: Date, after: Id<'inv'> | null, limit: number) {
  const debts = unpaid(db)
  return db
    .select({ id: debts.id })
    .from(debts)
    .leftJoin(apiSubscriptions, eq(apiSubscriptions.id, debts.subscriptionId))
    .where(
      and(
        hasBegun(debts, before),
        or(isNull(debts.subscriptionId), isNotNull(apiSubscriptions.endedAt)),
        after === null ? undefined : gt(debts.id, after),
      ),
    )
    .orderBy(asc(debts.id))
    .limit(limit)
}

/** Subscriptions that are cut off, or fell behind, and owe nothing any more. */
export function listFreed(db: Db, now: Date, after: Id<'sub'> | null, limit: number) {
  const { id, status } = apiSubscriptions
  return db
    .select({ id })
    .from(apiSubscriptions)
    .where(
      and(
        inArray(status, ['past_due', 'suspended']),
        // After its trial one waits for a payment method, and owes nothing.
        exists(
          db
            .select({ id: billingPeriods.id })
            .from(billingPeriods)
            .where(and(eq(billingPeriods.subscriptionId, id), eq(billingPeriods.kind, 'regular'))),
        ),
        notExists(debtsOfSubscription(db, now, id)),
        after === null ? undefined : gt(id, after),
      ),
    )
    .orderBy(asc(id))
    .limit(limit)
}

/** Whether an invoice of a subscription's is in dunning. */
export async function owes(db: Db, subscriptionId: Id<'sub'>, now: Date): Promise<boolean> {
  const rows = await debtsOfSubscription(db, now, subscriptionId).limit(1)
  return rows.length > 0
}

function debtsOfSubscription(
  db: Db,
  now: Date,
  subscriptionId: Id<'sub'> | typeof apiSubscriptions.id,
) {
  const debts = unpaid(db)
  return db
    .select({ id: debts.id })
    .from(debts)
    .where(and(eq(debts.subscriptionId, subscriptionId), hasBegun(debts, now)))
}

type RawDebt = Omit<DebtRow, 'failureCode' | 'card'> & {
  lastCode: string | null
  lastMethodId: Id<'pm'> | null
  newestMethodId: Id<'pm'> | null
}

function debtOf(row: RawDebt): DebtRow {
  const { newestMethodId: newest, lastMethodId, lastCode: failureCode, ...debt } = row
  const card = newest === null ? 'none' : newest === lastMethodId ? 'tried' : 'new'
  return { ...debt, failureCode, card }
}
