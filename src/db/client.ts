import type { ExtractTablesWithRelations } from 'drizzle-orm'
import type { PgDatabase } from 'drizzle-orm/pg-core'
import { drizzle, type PostgresJsQueryResultHKT } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import * as schema from './schema/index'

/** A connection or an open transaction: repositories take it first and never open their own. */
export type Db = PgDatabase<
  PostgresJsQueryResultHKT,
  typeof schema,
  ExtractTablesWithRelations<typeof schema>
>

export type Sql = postgres.Sql

export interface Database {
  /** Drizzle, for everything that is not hot. */
  db: Db
  /** postgres.js, for bulk and hot SQL. Apart from Drizzle's, which alters the client it is given. */
  sql: Sql
  /** Port of the server, to keep it from being reached by other ways. */
  port: number
  close(): Promise<void>
}

export interface DatabaseOptions {
  url: string
  /** Connections in all; a quarter of them is kept for raw SQL. */
  maxConnections?: number
  applicationName?: string
}

export function connect(options: DatabaseOptions): Database {
  const total = options.maxConnections ?? 20
  const common = {
    onnotice: () => undefined,
    connect_timeout: 10,
    connection: { application_name: options.applicationName ?? 'veil', TimeZone: 'UTC' },
  }
  const raw = Math.max(2, Math.floor(total / 4))
  const forDrizzle = postgres(options.url, { ...common, max: Math.max(2, total - raw) })
  const sql = postgres(options.url, { ...common, max: raw })
  return {
    db: drizzle(forDrizzle, { schema }),
    sql,
    port: Number(new URL(options.url).port || 5432),
    close: async () => {
      await Promise.all([forDrizzle.end({ timeout: 5 }), sql.end({ timeout: 5 })])
    },
  }
}
