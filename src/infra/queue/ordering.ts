import type { Sql } from '#db/client'

/**
 * Puts due events aside (`run_at` = infinity) that wait for an older one of their ordering key, so
 * that claims do not walk over them again and again. The older one is held meanwhile: if it is just
 * being finished, those behind it are left alone, since nobody would free them any more.
 */
export async function setSuccessorsAside(sql: Sql, type: string): Promise<void> {
  await sql.unsafe(
    `with waiting as (
      select id, ordering_key from events
      where type = $1 and run_at <= statement_timestamp() and claim_token is null
        and ordering_key is not null and exists (
          select from events older
          where older.ordering_key = events.ordering_key and older.position < events.position)
      order by rank, run_at, position limit 1000
      for no key update skip locked
    ), oldest as (
      select first.id from (select distinct ordering_key from waiting) as key,
        lateral (select id from events where events.ordering_key = key.ordering_key
          order by position limit 1) as first
    ), held as (
      select ordering_key from events where id in (select id from oldest) for key share skip locked
    )
    update events set run_at = 'infinity' from waiting
    where events.id = waiting.id and waiting.ordering_key in (select ordering_key from held)`,
    [type],
    { prepare: false },
  )
}

/**
 * Lets the oldest of each ordering key run that was put aside. To be called after the statement that
 * removed the one before, in its transaction.
 *
 * @returns the types of what may run now
 */
export async function freeSuccessors(
  sql: Pick<Sql, 'unsafe'>,
  orderingKeys: readonly string[],
): Promise<string[]> {
  if (orderingKeys.length === 0) return []
  const freed = await sql.unsafe<{ type: string }[]>(
    `with next as (
      select first.id, first.type from jsonb_array_elements_text($1::text::jsonb) as key,
        lateral (select id, type from events where ordering_key = key order by position limit 1) as first
    ), freed as (
      update events set run_at = clock_timestamp()
      from next where events.id = next.id and events.run_at = 'infinity'
    )
    select distinct type from next`,
    [JSON.stringify([...new Set(orderingKeys)])],
    { prepare: true },
  )
  return freed.map(({ type }) => type)
}
