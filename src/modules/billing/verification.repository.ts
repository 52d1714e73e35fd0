import { type Db, rawClient } from '#db/client'
import type { Id } from '#lib/id'

const uuidOf = (id: string): string => id.slice(id.indexOf('_') + 1)

/** What is written of a period besides its terms. */
export interface PeriodEvidence {
  /** Sum of the single calls. */
  recorded: number
  /** What all invoices have charged for late calls, in minor units. */
  lateCharged: number
}

/** One statement, so that calls and counters are those of one moment. */
export async function evidenceOf(db: Db, periodId: Id<'per'>): Promise<PeriodEvidence> {
  const [row] = await rawClient(db).unsafe<PeriodEvidence[]>(
    `select (
        select coalesce(sum(units), 0)::float8 from usage_records record
        where record.subscription_id = period.subscription_id and record.billing_period_id = period.id
          and at >= period.starts_at and at < period.ends_at
      ) as recorded, (
        select coalesce(sum((line ->> 'amount')::bigint), 0)::float8
        from invoices, jsonb_array_elements(lines) as line
        where invoices.subscription_id = period.subscription_id
          and line -> 'source' ->> 'kind' = 'late' and line -> 'source' ->> 'periodId' = $2
      ) as "lateCharged"
    from billing_periods period where id = $1::text::uuid`,
    [uuidOf(periodId), periodId],
  )
  return row ?? { recorded: 0, lateCharged: 0 }
}

/** Amounts of adjustments as they were written down. */
export async function adjustmentAmounts(
  db: Db,
  ids: readonly Id<'adj'>[],
): Promise<Map<string, number>> {
  const rows = await rawClient(db).unsafe<{ id: string; amount: number }[]>(
    `select 'adj_' || replace(id::text, '-', '') as id, amount::float8
    from subscription_adjustments where id = any($1::text::uuid[])`,
    [`{${ids.map(uuidOf).join(',')}}`],
  )
  return new Map(rows.map(({ id, amount }) => [id, amount]))
}
