import { sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { publishMany } from '#infra/queue'
import type { Id } from '#lib/id'
import { keyRotationDue } from './events'

const DAY_MS = 86_400_000
const AT_ONCE = 500

interface Due extends Record<string, unknown> {
  id: string
  /** Epoch ms. */
  dueAt: number
}

/**
 * Reminds the owners of keys that are to be rotated: 14, 7 and 1 days before and when it is overdue,
 * once each, because the row says which was the last. After a downtime only the newest is given.
 * @returns how many were reminded
 */
export async function remindOfRotation(db: Db, now: Date): Promise<number> {
  let reminded = 0
  for (;;) {
    const count = await db.transaction(async (tx) => {
      const due = await markReminded(tx, now)
      const publications = due.map(({ id, dueAt }) => {
        const keyId: Id<'key'> = `key_${id}`
        const daysLeft = Math.max(0, Math.ceil((dueAt - now.getTime()) / DAY_MS))
        const [at, dueText] = [now.toISOString(), new Date(dueAt).toISOString()]
        return { payload: { keyId, daysLeft, dueAt: dueText, at }, orderingKey: keyId }
      })
      await publishMany(tx, keyRotationDue, publications)
      return due.length
    })
    reminded += count
    if (count < AT_ONCE) return reminded
  }
}

async function markReminded(tx: Db, now: Date): Promise<Due[]> {
  const at = sql`${now.toISOString()}::timestamptz`
  return [
    ...(await tx.execute<Due>(sql`
      with due as (
        select id, created_at + rotate_after_days * interval '24 hours' as due_at,
          coalesce(rotation_reminded_at, 15) as reminded
        from api_keys
        where status = 'active' and rotate_after_days is not null
          and (expires_at is null or expires_at > ${at})
      ), staged as (
        select id, due_at, reminded, case
          when due_at <= ${at} then 0
          when due_at <= ${at} + interval '24 hours' then 1
          when due_at <= ${at} + 7 * interval '24 hours' then 7
          when due_at <= ${at} + 14 * interval '24 hours' then 14 end as stage
        from due
      ), chosen as (
        select id, due_at, stage from staged where stage < reminded order by id limit ${AT_ONCE}
      )
      update api_keys key set rotation_reminded_at = stage
      from chosen
      where key.id = chosen.id and key.status = 'active'
        and stage < coalesce(key.rotation_reminded_at, 15)
      returning key.id, (extract(epoch from due_at) * 1000)::float8 as "dueAt"`)),
  ]
}
