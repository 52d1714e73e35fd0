import postgres from 'postgres'

/** SQLSTATE and constraint of an error of Postgres, also when Drizzle has wrapped it. */
export function postgresCodeOf(error: unknown): { code: string; constraint: string } | null {
  const cause = error instanceof Error && error.cause ? error.cause : error
  if (!(cause instanceof postgres.PostgresError)) return null
  return { code: cause.code, constraint: cause.constraint_name ?? '' }
}

/** Whether the error says that this unique index or constraint already has such a row. */
export function violates(error: unknown, constraint: string): boolean {
  const found = postgresCodeOf(error)
  return found?.code === '23505' && found.constraint === constraint
}
