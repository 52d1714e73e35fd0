import { join } from 'node:path'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import type { Clock } from '#lib/clock'

const MIGRATIONS_FOLDER = join(import.meta.dirname, '../../migrations')

/** Any constants will do, as long as every replica uses the same ones. */
const MIGRATION_LOCK = 8_445_001
const PARTITION_LOCK = 8_445_002

const DAY_MS = 86_400_000
/** Events up to 35 days old are accepted; partitions stand ready for a month to come. */
const PAST_DAYS = 36
const AHEAD_DAYS = 31

/** Makes sure that every acceptable event finds its partition. Safe to repeat. */
export async function ensurePartitions(sql: postgres.Sql, clock: Clock): Promise<void> {
  const now = clock.now().getTime()
  // As text: Drizzle changes how the client it was given writes dates.
  const since = new Date(now - PAST_DAYS * DAY_MS).toISOString()
  const until = new Date(now + AHEAD_DAYS * DAY_MS).toISOString()
  await sql.begin(async (transaction) => {
    // Two that create the same partition at once would collide in the catalog.
    await transaction`select pg_advisory_xact_lock(${PARTITION_LOCK})`
    await transaction`select ensure_usage_partitions(${since}::text::timestamptz, ${until}::text::timestamptz)`
    await transaction`select ensure_event_history_partitions(${AHEAD_DAYS})`
  })
}

/**
 * Brings the database up to the schema of this release. Drizzle's migrator takes no lock, so one is
 * held around it, on a connection of its own: of two replicas that start at once, one migrates and
 * the other waits and finds nothing to do.
 */
export async function migrate(url: string, clock: Clock): Promise<void> {
  const client = postgres(url, { max: 1, onnotice: () => undefined })
  try {
    await client`select pg_advisory_lock(${MIGRATION_LOCK})`
    await applyMigrations(drizzle(client), { migrationsFolder: MIGRATIONS_FOLDER })
    await ensurePartitions(client, clock)
  } finally {
    // Ending the session releases the lock.
    await client.end({ timeout: 5 })
  }
}
