import type { Sql } from '#db/client'
import type { Id } from '#lib/id'
import { GarbageCollection } from './garbage'
import type { Range } from './reports-repository'

export const EXPORT_FORMATS = ['csv', 'ndjson'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

export const EXPORT_TYPES: Record<ExportFormat, string> = {
  csv: 'text/csv; charset=utf-8',
  ndjson: 'application/x-ndjson',
}

/** Whose calls: one subscription's, or those of all subscriptions to an API. */
export type ExportScope = { subscriptionId: Id<'sub'> } | { apiId: Id<'api'> }

const PAGE = 1_000
const FIELDS = [
  'at',
  'id',
  'subscriptionId',
  'apiId',
  'keyId',
  'method',
  'path',
  'status',
  'durationMs',
  'requestBytes',
  'responseBytes',
  'billable',
  'units',
] as const

type ExportedCall = Record<(typeof FIELDS)[number], string | number | boolean>

/**
 * The calls of the ledger as a file, subscription by subscription in order of time, one page in memory at a
 * time. Page by page instead of by a cursor: no connection is held and no snapshot pinned while a slow reader reads.
 */
export function exportCalls(
  sql: Sql,
  scope: ExportScope,
  range: Range,
  format: ExportFormat,
): ReadableStream<Uint8Array> {
  const pages = readPages(sql, scope, range)
  const garbage = new GarbageCollection()
  const encoder = new TextEncoder()
  return new ReadableStream({
    start(controller) {
      if (format === 'csv') controller.enqueue(encoder.encode(`${FIELDS.join(',')}\r\n`))
    },
    async pull(controller) {
      const { value, done } = await pages.next()
      if (done) return controller.close()
      controller.enqueue(encoder.encode(value.map(LINE[format]).join('')))
      garbage.after(value.length)
    },
    async cancel() {
      await pages.return(undefined)
    },
  })
}

const LINE: Record<ExportFormat, (call: ExportedCall) => string> = {
  csv: (call) => `${FIELDS.map((field) => csvField(String(call[field]))).join(',')}\r\n`,
  ndjson: (call) => `${JSON.stringify(call)}\n`,
}

/** RFC 4180 §2. */
function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

async function* readPages(
  sql: Sql,
  scope: ExportScope,
  { from, to }: Range,
): AsyncGenerator<ExportedCall[], undefined> {
  const subscriptions =
    'apiId' in scope
      ? await sql<{ id: string }[]>`
          select id from api_subscriptions where api_id = ${uuid(scope.apiId)} order by id`
      : [{ id: uuid(scope.subscriptionId) }]
  for (const { id } of subscriptions) {
    let after = { at: from.toISOString(), call: NO_CALL }
    for (;;) {
      const calls = await sql<ExportedCall[]>`
        select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, id,
          'sub_' || replace(subscription_id::text, '-', '') as "subscriptionId",
          'api_' || replace(api_id::text, '-', '') as "apiId", 'key_' || key_id as "keyId",
          method, path, status, duration_ms as "durationMs", request_bytes::float8 as "requestBytes",
          response_bytes::float8 as "responseBytes", billable, units
        from usage_records
        where subscription_id = ${id} and (at, id) > (${after.at}::timestamptz, ${after.call}::uuid)
          and at >= ${after.at} and at < ${to.toISOString()}
        order by subscription_id, usage_records.at, usage_records.id
        limit ${PAGE}`
      if (calls.length > 0) yield [...calls]
      const last = calls.at(-1)
      if (!last || calls.length < PAGE) break
      after = { at: String(last.at), call: String(last.id) }
    }
  }
}

/** Before every id. (A call with this id at the very first instant would be left out; gateways draw theirs at random.) */
const NO_CALL = '00000000-0000-0000-0000-000000000000'

const uuid = (id: string): string => id.slice(4)
