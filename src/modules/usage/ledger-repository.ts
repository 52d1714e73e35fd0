import type { Db } from '#db/client'
import { rawClient } from '#db/client'
import { copyRows, copyText } from '#db/copy'
import { postgresCodeOf } from '#db/errors'
import type { Booking } from './resolve-events'
import type { CounterSums, KeySums, OperationSums } from './tally'

const COLUMNS = `subscription_id, at, id, gateway_id, sequence, api_id, key_id, billing_period_id,
  method, path, status, duration_ms, request_bytes, response_bytes, billable, units`

/**
 * Inserts records of which none is there yet, by COPY. Where one is, or one is refused, nothing is
 * inserted and the transaction is lost: now, or at its next statement (see db/copy).
 */
export function copyRecords(db: Db, bookings: readonly Booking[]): Promise<void> {
  return copyRows(rawClient(db), `usage_records (${COLUMNS})`, recordRows(bookings))
}

/** Whether an error can mean that {@link copyRecords} found a record that was there. */
export function mayBeDuplicate(error: unknown): boolean {
  const code = postgresCodeOf(error)?.code
  return code === '23505' || code === '25P02'
}

/** A generator would cost more than the rows. */
const recordRows = (bookings: readonly Booking[]): Iterable<string> => bookings.map(recordRow)

const recordRow = ({ event, key, period, units }: Booking): string =>
  `${key.subscription}\t${event.at}\t${event.id}\t${event.gatewayId}\t${event.sequence}\t${key.api}\t` +
  `${key.key}\t${period.id}\t${event.method}\t${copyText(event.path)}\t${event.status}\t` +
  `${event.durationMs}\t${event.requestBytes}\t${event.responseBytes}\t` +
  `${units > 0 ? 't' : 'f'}\t${units}\n`

/**
 * Inserts the records that are not there yet: a third as fast as {@link copyRecords}, and says why when
 * Postgres refuses one.
 *
 * @returns the bookings of those inserted
 */
export async function insertNewRecords(db: Db, bookings: readonly Booking[]): Promise<Booking[]> {
  const inserted = await run<{ subscription: string; ms: string; id: string }>(
    db,
    `insert into usage_records (${COLUMNS})
    select ${COLUMNS} from json_to_recordset($1::text::json) as call (
      subscription_id uuid, at timestamptz, id uuid, gateway_id text, sequence bigint, api_id uuid,
      key_id text, billing_period_id uuid, method text, path text, status smallint, duration_ms int,
      request_bytes bigint, response_bytes bigint, billable boolean, units int)
    on conflict do nothing
    returning subscription_id as subscription, id,
      (extract(epoch from at) * 1000)::bigint::text as ms`,
    [JSON.stringify(bookings.map(recordObject))],
  )
  const found = new Set(inserted.map(({ subscription, ms, id }) => `${subscription} ${ms} ${id}`))
  return bookings.filter(({ key, event }) =>
    found.has(`${key.subscription} ${Date.parse(event.at)} ${event.id}`),
  )
}

const recordObject = ({ event, key, period, units }: Booking) => ({
  ...{ subscription_id: key.subscription, at: event.at, id: event.id },
  ...{ gateway_id: event.gatewayId, sequence: event.sequence, api_id: key.api },
  ...{ key_id: key.key, billing_period_id: period.id, method: event.method },
  ...{ path: event.path, status: event.status, duration_ms: event.durationMs },
  ...{ request_bytes: event.requestBytes, response_bytes: event.responseBytes },
  ...{ billable: units > 0, units },
})

/** A counter of a period with a quota, before and after. */
export interface CounterMove {
  subscription: string
  billingPeriod: string
  before: number
  after: number
  included: number
}

/** @returns the moves of counters that may have crossed a threshold: from half of their quota on */
export async function addToCounters(db: Db, sums: readonly CounterSums[]): Promise<CounterMove[]> {
  const rows = await run<Record<keyof CounterMove, string>>(
    db,
    `with added as (
      select * from unnest($1::text::uuid[], $2::text::uuid[], $3::text::bigint[], $4::text::bigint[],
        $5::text::bigint[], $6::text::bigint[])
        as added (subscription_id, billing_period_id, calls, errors, units, included)
    ), moved as (
      insert into usage_counters as counter
        (subscription_id, billing_period_id, calls, errors, units)
      select subscription_id, billing_period_id, calls, errors, units from added
      on conflict (subscription_id, billing_period_id) do update set
        calls = counter.calls + excluded.calls, errors = counter.errors + excluded.errors,
        units = counter.units + excluded.units, updated_at = now()
      returning subscription_id, billing_period_id, units
    )
    select moved.subscription_id as subscription, billing_period_id as "billingPeriod",
      moved.units - added.units as before, moved.units as after, included
    from moved join added using (billing_period_id)
    where moved.units * 2 >= included and moved.units - added.units < included`,
    [
      array(sums.map(({ subscription }) => subscription)),
      array(sums.map(({ billingPeriod }) => billingPeriod)),
      array(sums.map(({ calls }) => calls)),
      array(sums.map(({ errors }) => errors)),
      array(sums.map(({ units }) => units)),
      array(sums.map(({ included }) => included ?? 'null')),
    ],
  )
  return rows.map((row) => ({
    subscription: row.subscription,
    billingPeriod: row.billingPeriod,
    before: Number(row.before),
    after: Number(row.after),
    included: Number(row.included),
  }))
}

export async function addToKeyHours(db: Db, sums: readonly KeySums[]): Promise<void> {
  await run(
    db,
    `insert into api_usage_analytics as rollup (subscription_id, hour, key_id, api_id, calls, errors,
      units, duration_ms, request_bytes, response_bytes)
    select * from unnest($1::text::uuid[], $2::text::timestamptz[], $3::text::text[], $4::text::uuid[],
      $5::text::bigint[], $6::text::bigint[], $7::text::bigint[], $8::text::bigint[],
      $9::text::bigint[], $10::text::bigint[])
    on conflict (subscription_id, hour, key_id) do update set
      calls = rollup.calls + excluded.calls, errors = rollup.errors + excluded.errors,
      units = rollup.units + excluded.units, duration_ms = rollup.duration_ms + excluded.duration_ms,
      request_bytes = rollup.request_bytes + excluded.request_bytes,
      response_bytes = rollup.response_bytes + excluded.response_bytes`,
    [
      array(sums.map(({ subscription }) => subscription)),
      array(sums.map(({ hour }) => hour)),
      array(sums.map(({ key }) => key)),
      array(sums.map(({ api }) => api)),
      array(sums.map(({ calls }) => calls)),
      array(sums.map(({ errors }) => errors)),
      array(sums.map(({ units }) => units)),
      array(sums.map(({ durationMs }) => durationMs)),
      array(sums.map(({ requestBytes }) => requestBytes)),
      array(sums.map(({ responseBytes }) => responseBytes)),
    ],
  )
}

export async function addToOperationHours(db: Db, sums: readonly OperationSums[]): Promise<void> {
  await run(
    db,
    `insert into api_operation_analytics as rollup (api_id, hour, operation, calls, client_errors,
      server_errors, duration_ms, request_bytes, response_bytes, latency)
    select api_id, hour, operation, calls, client_errors, server_errors, duration_ms, request_bytes,
      response_bytes, latency::int[]
    from unnest($1::text::uuid[], $2::text::timestamptz[], $3::text::text[], $4::text::bigint[],
      $5::text::bigint[], $6::text::bigint[], $7::text::bigint[], $8::text::bigint[],
      $9::text::bigint[], $10::text::text[])
      as added (api_id, hour, operation, calls, client_errors, server_errors, duration_ms,
        request_bytes, response_bytes, latency)
    on conflict (api_id, hour, operation) do update set
      calls = rollup.calls + excluded.calls,
      client_errors = rollup.client_errors + excluded.client_errors,
      server_errors = rollup.server_errors + excluded.server_errors,
      duration_ms = rollup.duration_ms + excluded.duration_ms,
      request_bytes = rollup.request_bytes + excluded.request_bytes,
      response_bytes = rollup.response_bytes + excluded.response_bytes,
      latency = add_counts(rollup.latency, excluded.latency)`,
    [
      array(sums.map(({ api }) => api)),
      array(sums.map(({ hour }) => hour)),
      array(sums.map(({ operation }) => quoted(operation))),
      array(sums.map(({ calls }) => calls)),
      array(sums.map(({ clientErrors }) => clientErrors)),
      array(sums.map(({ serverErrors }) => serverErrors)),
      array(sums.map(({ durationMs }) => durationMs)),
      array(sums.map(({ requestBytes }) => requestBytes)),
      array(sums.map(({ responseBytes }) => responseBytes)),
      array(sums.map(({ latency }) => quoted(array(latency)))),
    ],
  )
}

/** The operations that have a row already in these hours of these APIs. */
export function selectOperations(
  db: Db,
  of: readonly Pick<OperationSums, 'api' | 'hour'>[],
): Promise<{ api: string; hour: string; operation: string }[]> {
  return run(
    db,
    `select api_id as api, operation,
      to_char(hour at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as hour
    from unnest($1::text::uuid[], $2::text::timestamptz[]) as wanted (api_id, hour)
    join api_operation_analytics using (api_id, hour)`,
    [array(of.map(({ api }) => api)), array(of.map(({ hour }) => hour))],
  )
}

/** Prepared once per connection. Parameters are text: the driver's own arrays cost thrice as much. */
async function run<T extends object>(db: Db, text: string, parameters: string[]): Promise<T[]> {
  return await rawClient(db).unsafe<T[]>(text, parameters, { prepare: true })
}

/** An array as Postgres writes one, of what needs no quotes. */
const array = (items: readonly (string | number)[]): string => `{${items.join(',')}}`

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`
