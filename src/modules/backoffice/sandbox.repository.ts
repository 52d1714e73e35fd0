import { desc, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { sandboxClockMoves } from '#db/schema/infra'
import type { ClockMove } from '#infra/clock'

/** Every move of the clock, the newest first. */
export function listMoves(db: Db): Promise<ClockMove[]> {
  return db.select().from(sandboxClockMoves).orderBy(desc(sandboxClockMoves.since))
}

/** Held until the transaction ends: the clock is moved by one at a time. */
export async function lockClock(db: Db): Promise<void> {
  await db.execute(sql`select pg_advisory_xact_lock(hashtext('veil_clock'))`)
}

/** Notes a move and tells every process of it when the transaction commits. */
export async function insertMove(db: Db, move: ClockMove): Promise<void> {
  await db.insert(sandboxClockMoves).values(move)
  await db.execute(sql`select pg_notify('veil_clock', '')`)
}
