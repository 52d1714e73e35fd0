import { type Db, rawClient } from '#db/client'
import type { InvoiceLine } from '#db/schema/billing'
import type { Id } from '#lib/id'
import type { DueAdjustment, DuePeriod } from './due'

/** Calls are taken for 35 days; so far back a period may still get some. */
const LATE_DAYS = 40

const uuidOf = (id: string): string => id.slice(id.indexOf('_') + 1)
const idOf = <P extends string>(prefix: P, uuid: string) =>
  `${prefix}_${uuid.replaceAll('-', '')}` as `${P}_${string}`
const uuids = (ids: readonly string[]): string => `{${ids.map(uuidOf).join(',')}}`

/** Postgres plans each of these anew: how much is due differs from run to run. */
const run = <T extends object>(db: Db, text: string, parameters: string[]): Promise<T[]> =>
  Promise.resolve(rawClient(db).unsafe<T[]>(text, parameters))

/** Subscriptions of which something may be due, in the order of their ids, beyond `after`. */
export async function subscriptionsDue(
  db: Db,
  { now, ripeAt, after, limit }: { now: Date; ripeAt: Date; after: Id<'sub'>; limit: number },
): Promise<Id<'sub'>[]> {
  const rows = await run<{ id: string }>(
    db,
    `select id::text from (
      select subscription_id as id from billing_periods
      where status = 'closed' and ends_at <= $2::text::timestamptz
      union
      select subscription_id from billing_periods period
      join pricing_models plan on plan.id = period.pricing_model_id
      where advance_invoice_id is null and period.flat_fee > 0 and starts_at <= $1::text::timestamptz
        and flat_fee_timing = 'advance'
      union
      -- Of a subscription without a running period nothing more comes that they could wait for.
      select subscription_id from subscription_adjustments adjustment
      where invoice_id is null and amount <> 0 and not exists (
        select from billing_periods period
        where period.subscription_id = adjustment.subscription_id and status <> 'invoiced')
      union
      select ended.id from api_subscriptions ended
      join billing_periods period on period.subscription_id = ended.id
      join usage_counters counter on counter.subscription_id = ended.id
        and counter.billing_period_id = period.id
      where ended_at > $1::text::timestamptz - interval '${LATE_DAYS} days'
        and period.status = 'invoiced' and counter.units > coalesce(billed_units, 0)
    ) due where id > $3::uuid order by id limit $4::int`,
    [now.toISOString(), ripeAt.toISOString(), uuidOf(after), String(limit)],
  )
  return rows.map(({ id }) => idOf('sub', id))
}

export interface DueSubscription {
  id: Id<'sub'>
  userId: Id<'usr'>
  providerId: Id<'usr'>
  title: string
  currency: string
}

/**
 * Holds subscriptions until the transaction ends, in the order of their ids: of two that invoice the same
 * one the second finds nothing due. Calls go on being counted meanwhile.
 */
export async function lockDue(db: Db, ids: readonly Id<'sub'>[]): Promise<DueSubscription[]> {
  const rows = await run<Record<'id' | 'user' | 'provider' | 'title' | 'currency', string>>(
    db,
    `select subscription.id, user_id as user, owner_id as provider, currency,
      api.name || ' · ' || plan.name as title
    from api_subscriptions subscription join apis api on api.id = api_id
    join pricing_models plan on plan.id = pricing_model_id
    where subscription.id = any($1::text::uuid[])
    order by subscription.id for no key update of subscription`,
    [uuids(ids)],
  )
  return rows.map(({ id, user, provider, ...words }) => ({
    ...{ id: idOf('sub', id), userId: idOf('usr', user), providerId: idOf('usr', provider) },
    ...words,
  }))
}

interface PeriodRow {
  id: string
  subscription: string
  plan: string
  ordinal: number
  kind: DuePeriod['kind']
  status: DuePeriod['status']
  fee: string
  quota: number | null
  units: number
  billed: number | null
  advanced: boolean
  /** Epoch ms: start, end, start and end of the cycle. */
  times: [number, number, number, number]
}

/** The periods of these subscriptions that are not settled, or have got calls since. */
export async function loadPeriods(
  db: Db,
  ids: readonly Id<'sub'>[],
  now: Date,
): Promise<(DuePeriod & { subscriptionId: Id<'sub'> })[]> {
  const rows = await run<PeriodRow>(db, LOAD_PERIODS, [uuids(ids), now.toISOString()])
  return rows.map(toPeriod)
}

/** Periods as they are now, in their order. */
export async function periodsById(db: Db, ids: readonly Id<'per'>[]): Promise<DuePeriod[]> {
  const rows = await run<PeriodRow>(
    db,
    `select ${PERIOD_COLUMNS}
    from billing_periods period
    left join usage_counters counter on counter.subscription_id = period.subscription_id
      and counter.billing_period_id = period.id
    where period.id = any($1::text::uuid[]) order by ordinal`,
    [uuids(ids)],
  )
  return rows.map(toPeriod)
}

function toPeriod(row: PeriodRow) {
  const [startsAt, endsAt, cycleStartsAt, cycleEndsAt] = row.times.map((ms) => new Date(ms)) as [
    ...[Date, Date, Date, Date],
  ]
  return {
    ...{ id: idOf('per', row.id), planId: idOf('plan', row.plan), ordinal: row.ordinal },
    ...{ startsAt, endsAt, cycleStartsAt, cycleEndsAt, kind: row.kind, status: row.status },
    ...{ flatFee: BigInt(row.fee), quotaLimit: row.quota, advanceInvoiced: row.advanced },
    ...{ units: row.units, billedUnits: row.billed },
    subscriptionId: idOf('sub', row.subscription),
  }
}

const PERIOD_COLUMNS = `period.id, period.subscription_id as subscription,
  pricing_model_id as plan, ordinal, kind, status, flat_fee::text as fee, quota_limit::float8 as quota,
  coalesce(counter.units, 0)::float8 as units, billed_units::float8 as billed,
  advance_invoice_id is not null as advanced,
  json_build_array(extract(epoch from starts_at) * 1000, extract(epoch from ends_at) * 1000,
    extract(epoch from cycle_starts_at) * 1000, extract(epoch from cycle_ends_at) * 1000) as times`

/**
 * Periods that an earlier invoice settled are looked at as far back as calls may have come for them
 * since that invoice. OFFSET 0 keeps the conditions out: a month's end turns all states over at once, and by
 * statistics of the day before Postgres would read the whole table for each batch (9 s instead of 5 ms).
 */
const LOAD_PERIODS = `
  select ${PERIOD_COLUMNS}
  from unnest($1::text::uuid[]) as wanted (id)
  cross join lateral (
    select coalesce(max(created_at), '-infinity') - interval '${LATE_DAYS} days' as late_from
    from invoices where subscription_id = wanted.id
  ) earlier
  cross join lateral (
    select * from billing_periods where subscription_id = wanted.id order by ordinal offset 0
  ) period
  left join usage_counters counter on counter.subscription_id = period.subscription_id
    and counter.billing_period_id = period.id
  where status = 'closed'
    or (advance_invoice_id is null and flat_fee > 0 and starts_at <= $2::text::timestamptz)
    or (status = 'invoiced' and ends_at > late_from and counter.units > coalesce(billed_units, 0))
  order by period.subscription_id, ordinal`

/** What changes of these subscriptions left for their next invoice. */
export async function loadAdjustments(
  db: Db,
  ids: readonly Id<'sub'>[],
): Promise<(DueAdjustment & { subscriptionId: Id<'sub'> })[]> {
  const rows = await run<Record<'id' | 'subscription' | keyof Omit<DueAdjustment, 'id'>, string>>(
    db,
    `select id, subscription_id as subscription, code, description, amount::text, explain
    from subscription_adjustments
    where invoice_id is null and amount <> 0 and subscription_id = any($1::text::uuid[])
    order by subscription_id, created_at, id`,
    [uuids(ids)],
  )
  return rows.map(({ id, subscription, amount, ...words }) => ({
    ...{ ...words, id: idOf('adj', id), amount: BigInt(amount) },
    subscriptionId: idOf('sub', subscription),
  }))
}

/** A draft that is ready to be written. */
export interface NewDraft {
  id: Id<'inv'>
  subscription: DueSubscription
  lines: readonly InvoiceLine[]
  createdAt: Date
}

export async function insertDrafts(db: Db, drafts: readonly NewDraft[]): Promise<void> {
  const rows = drafts.map(({ id, subscription, lines, createdAt }) => ({
    ...{ id: uuidOf(id), user_id: uuidOf(subscription.userId), title: subscription.title },
    ...{ subscription_id: uuidOf(subscription.id), provider_id: uuidOf(subscription.providerId) },
    ...{ currency: subscription.currency, lines, created_at: createdAt },
    subtotal: lines.reduce((sum, { amount }) => sum + amount, 0),
  }))
  await run(
    db,
    `insert into invoices (id, user_id, subscription_id, provider_id, status, title, currency, lines,
      subtotal, total, carried_to_credit, created_at)
    select id, user_id, subscription_id, provider_id, 'draft', title, currency, lines,
      subtotal, greatest(subtotal, 0), greatest(-subtotal, 0), created_at
    from json_to_recordset($1::text::json) as row (id uuid, user_id uuid, subscription_id uuid,
      provider_id uuid, title text, currency text, lines jsonb, subtotal bigint, created_at timestamptz)`,
    [JSON.stringify(rows)],
  )
}

/** What an invoice settles of a period; `invoiceId` is null where there was nothing to invoice. */
export interface Settled {
  id: Id<'per'>
  invoiceId: Id<'inv'> | null
  advance: boolean
  arrears: boolean
  billedUnits: number | null
}

export async function settlePeriods(db: Db, settled: readonly Settled[]): Promise<void> {
  const rows = settled.map((period) => ({
    ...{ id: uuidOf(period.id), invoice_id: period.invoiceId && uuidOf(period.invoiceId) },
    ...{ advance: period.advance, arrears: period.arrears, units: period.billedUnits },
  }))
  await run(
    db,
    `update billing_periods period set
      advance_invoice_id = case when advance then row.invoice_id else advance_invoice_id end,
      arrears_invoice_id = case when arrears then row.invoice_id else arrears_invoice_id end,
      billed_units = coalesce(row.units, billed_units),
      status = case when arrears then 'invoiced' else status end
    from json_to_recordset($1::text::json) as row
      (id uuid, invoice_id uuid, advance boolean, arrears boolean, units bigint)
    where period.id = row.id`,
    [JSON.stringify(rows)],
  )
}

export async function settleAdjustments(
  db: Db,
  settled: readonly { id: Id<'adj'>; invoiceId: Id<'inv'> }[],
): Promise<void> {
  await run(
    db,
    `update subscription_adjustments set invoice_id = row.invoice_id
    from unnest($1::text::uuid[], $2::text::uuid[]) as row (id, invoice_id)
    where subscription_adjustments.id = row.id`,
    [uuids(settled.map(({ id }) => id)), uuids(settled.map(({ invoiceId }) => invoiceId))],
  )
}

/**
 * Closes periods that are over, of subscriptions that go on no longer. Of the others renewal closes them,
 * in the statement that opens the next one.
 */
export async function closeOverdue(db: Db, now: Date, limit: number): Promise<number> {
  const rows = await run(
    db,
    `update billing_periods set status = 'closed' where id in (
      select period.id from billing_periods period
      join api_subscriptions subscription on subscription.id = subscription_id
      where period.status = 'open' and ends_at <= $1::text::timestamptz
        and subscription.status in ('suspended', 'paused', 'cancelled', 'expired')
      order by ends_at limit $2::int for update of period skip locked
    ) returning id`,
    [now.toISOString(), String(limit)],
  )
  return rows.length
}
