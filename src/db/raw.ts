import type postgres from 'postgres'
import type { Db } from './client'

/**
 * The postgres.js client under a connection or an open transaction of Drizzle's, for what Drizzle
 * cannot say: COPY, and statements that are prepared once. Dates go in and come out as text.
 */
export function rawClient(db: Db): postgres.Sql {
  const { client } = db._.session as unknown as { client: postgres.Sql }
  return client
}
