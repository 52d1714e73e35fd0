import { asc, eq, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { usageArrivals, usageGaps } from '#db/schema/usage-completeness'
import { type SequenceRange, toRanges } from '#lib/sequence-range'
import type { Gap } from './completeness-gaps'
import type { UsageEvent } from './events'

const GATEWAY = /^[a-z0-9-]{1,40}$/

/**
 * Notes that these events arrived, whatever becomes of them. To be the last statement of the transaction
 * that stores them: it locks the rows of their gateways, in one order, until the commit.
 *
 * @param events as they were posted; one that does not tell its number cannot be noted
 */
export async function markArrived(
  tx: Db,
  events: readonly unknown[],
  accepted: readonly Pick<UsageEvent, 'gatewayId' | 'at'>[],
): Promise<void> {
  const numbers = numbersByGateway(events)
  if (numbers.size === 0) return
  const newest = new Map<string, number>()
  for (const { gatewayId, at } of accepted) {
    newest.set(gatewayId, Math.max(newest.get(gatewayId) ?? 0, Date.parse(at)))
  }
  const rows = [...numbers].sort(([a], [b]) => (a < b ? -1 : 1))
  const values = rows.map(([gatewayId, of]) => {
    const at = newest.get(gatewayId)
    const lastEventAt = at === undefined ? null : new Date(at).toISOString()
    return sql`(${gatewayId}, ${toMultirange(of)}::int8multirange, ${lastEventAt}::timestamptz)`
  })
  await tx.execute(sql`
    insert into usage_arrivals as known (gateway_id, received, last_event_at)
    values ${sql.join(values, sql`, `)}
    on conflict (gateway_id) do update set
      received = known.received + excluded.received,
      last_event_at = greatest(known.last_event_at, excluded.last_event_at)`)
}

function numbersByGateway(events: readonly unknown[]): Map<string, number[]> {
  const numbers = new Map<string, number[]>()
  for (const event of events) {
    const { gatewayId, sequence } = (event ?? {}) as Partial<UsageEvent>
    if (typeof gatewayId !== 'string' || !GATEWAY.test(gatewayId)) continue
    if (!Number.isSafeInteger(sequence) || sequence === undefined || sequence < 1) continue
    const known = numbers.get(gatewayId)
    if (known) known.push(sequence)
    else numbers.set(gatewayId, [sequence])
  }
  return numbers
}

const toMultirange = (numbers: readonly number[]): string =>
  `{${toRanges(numbers)
    .map(({ first, last }) => `[${first},${last}]`)
    .join(',')}}`

/** What arrived of one gateway, and what did not. */
export interface Arrival {
  gatewayId: string
  highest: number
  /** Sorted. */
  missing: SequenceRange[]
  lastEventAt: Date | null
  /** Those that were noticed, sorted; parts of them may have arrived since. */
  knownGaps: Gap[]
}

/** Of every gateway, or of one, sorted by their names. */
export async function selectArrivals(db: Db, gatewayId?: string): Promise<Arrival[]> {
  const arrivals = await db
    .select({
      gatewayId: usageArrivals.gatewayId,
      highest: sql<number>`upper(${usageArrivals.received}) - 1`.mapWith(Number),
      missing: sql<SequenceRange[]>`(
        select coalesce(jsonb_agg(jsonb_build_object('first', lower(gap), 'last', upper(gap) - 1)
          order by gap), '[]')
        from unnest(int8multirange(int8range(1, upper(${usageArrivals.received})))
          - ${usageArrivals.received}) as gap)`,
      lastEventAt: usageArrivals.lastEventAt,
    })
    .from(usageArrivals)
    .where(gatewayId === undefined ? undefined : eq(usageArrivals.gatewayId, gatewayId))
    .orderBy(asc(usageArrivals.gatewayId))
  const gaps = await db
    .select()
    .from(usageGaps)
    .where(gatewayId === undefined ? undefined : eq(usageGaps.gatewayId, gatewayId))
    .orderBy(asc(usageGaps.first))
  const known = Map.groupBy(gaps, (gap) => gap.gatewayId)
  return arrivals.map((arrival) => ({
    ...arrival,
    knownGaps: known.get(arrival.gatewayId) ?? [],
  }))
}

/** Lets one transaction at a time change the gaps; readers do not wait. */
export async function lockGaps(tx: Db): Promise<void> {
  await tx.execute(sql`lock table usage_gaps in share row exclusive mode`)
}

/** Makes these the gaps of the gateway. */
export async function replaceGaps(tx: Db, gatewayId: string, gaps: readonly Gap[]): Promise<void> {
  await tx.delete(usageGaps).where(eq(usageGaps.gatewayId, gatewayId))
  await tx.execute(sql`
    insert into usage_gaps (gateway_id, first, last, since, state)
    select ${gatewayId}, first, last, since, state
    from jsonb_to_recordset(${JSON.stringify(gaps)}::jsonb)
      as gap (first bigint, last bigint, since timestamptz, state text)`)
}
