import postgres from 'postgres'

/** SQLSTATE and constraint of an error of Postgres, also when Drizzle has wrapped it. */
export function postgresCodeOf(error: unknown): { code: string; constraint: string } | null {
  const cause = error instanceof Error && error.cause ? error.cause : error
  if (!(cause instanceof postgres.PostgresError)) return null
  return { code: cause.code, constraint: cause.constraint_name ?? '' }
}

/**
 * Whether postgres.js threw this from a timer because a connection was lost between two statements of a
 * transaction. The transaction has been rejected by then, so that nobody need hear of it twice.
 */
export function isWriteToLostConnection(error: unknown): boolean {
  return error instanceof TypeError && /nextWrite .*\bpostgres\b/.test(error.stack ?? '')
}

/** Whether the error says that this unique index or constraint already has such a row. */
export function violates(error: unknown, constraint: string): boolean {
  const found = postgresCodeOf(error)
  return found?.code === '23505' && found.constraint === constraint
}
