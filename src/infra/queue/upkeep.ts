import type { Sql } from '#db/client'

/** Of the types asked for, those of which something is due and free. */
export async function findDueTypes(sql: Sql, types: readonly string[]): Promise<string[]> {
  return findTypes(sql, types, 'run_at <= statement_timestamp() and claim_token is null')
}

/** Of the types asked for, those with an event whose worker died. */
export async function findSuspectTypes(sql: Sql, types: readonly string[]): Promise<string[]> {
  return findTypes(sql, types, 'crashes > 0')
}

async function findTypes(sql: Sql, types: readonly string[], condition: string): Promise<string[]> {
  const found = await sql.unsafe<{ type: string }[]>(
    `select type from json_array_elements_text($1::text::json) as wanted (type)
     where exists (select from events where events.type = wanted.type and ${condition})`,
    [JSON.stringify(types)],
    { prepare: false },
  )
  return found.map(({ type }) => type)
}

/** Rates are looked at for the last day. */
const RATES_KEPT = '1 day'

/** Removes rows kept for a dedupe window that is over, and rates of long ago. */
export async function removeExpired(sql: Sql): Promise<void> {
  await sql`delete from events where done_until < clock_timestamp()`
  await sql`delete from event_rates where minute < clock_timestamp() - ${RATES_KEPT}::interval`
}
