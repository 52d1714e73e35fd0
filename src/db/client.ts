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

/** What a connection or an open transaction has in common for raw SQL. */
type RawSql = postgres.Sql | postgres.TransactionSql

export interface Database {
  /** Drizzle, for everything that is not hot. */
  db: Db
  /** postgres.js, for bulk and hot SQL. Apart from Drizzle's, which alters the client it is given. */
  sql: Sql
  /**
   * For the statements of the queue's workers. Their tables grow from nothing to a million rows and
   * back between two looks of the statistics, so the planner is told to walk indexes whatever these say.
   * Commits do not wait for the disk: an event whose end is lost with the server's memory runs again,
   * as it would after a crash of the worker.
   */
  queue: Sql
  /** Port of the server, to keep it from being reached by other ways. */
  port: number
  close(): Promise<void>
}

export interface DatabaseOptions {
  url: string
  /** Connections in all; a quarter of them is kept for raw SQL, up to three for the queue. */
  maxConnections?: number
  applicationName?: string
}

/** Nothing waits for the network in a transaction: a process that does is stopped, and holds locks that others need. */
const IDLE_TRANSACTION_MS = 30_000

const FOR_QUEUE = {
  ...{ enable_seqscan: 'off', enable_bitmapscan: 'off', enable_sort: 'off' },
  synchronous_commit: 'off',
}

export function connect(options: DatabaseOptions): Database {
  const total = options.maxConnections ?? 20
  const common = {
    onnotice: () => undefined,
    connect_timeout: 10,
    // Seconds: postgres.js would wait up to twenty, and then a server that is back is not used.
    backoff: (attempt: number) => Math.min(0.01 * 2 ** attempt, 0.25),
    connection: {
      application_name: options.applicationName ?? 'veil',
      TimeZone: 'UTC',
      idle_in_transaction_session_timeout: IDLE_TRANSACTION_MS,
    },
  }
  const raw = Math.max(2, Math.floor(total / 4))
  const forQueue = total < 12 ? 2 : 3
  const forDrizzle = postgres(options.url, { ...common, max: Math.max(2, total - raw - forQueue) })
  const sql = postgres(options.url, { ...common, max: raw })
  const queue = postgres(options.url, {
    ...common,
    max: forQueue,
    connection: { ...common.connection, ...FOR_QUEUE },
  })
  const db: Db = drizzle(forDrizzle, { schema })
  runHooksAfterCommit(db, sql)
  return {
    db,
    sql,
    queue,
    port: Number(new URL(options.url).port || 5432),
    close: async () => {
      await Promise.all([forDrizzle, sql, queue].map((client) => client.end({ timeout: 5 })))
    },
  }
}

/** Runs when a transaction has committed; gets the raw client of the same database. */
export type AfterCommit = (sql: Sql) => void

interface Scope {
  sql: Sql
  /** Null outside of a transaction, where every statement commits by itself. */
  hooks: AfterCommit[] | null
}

const scopes = new WeakMap<Db, Scope>()

/**
 * Runs `hook` when what was written so far through `db` is committed: at once outside of a
 * transaction, never when the transaction, or the savepoint it is in, is rolled back.
 */
export function afterCommit(db: Db, hook: AfterCommit): void {
  const scope = scopes.get(db)
  if (scope?.hooks) scope.hooks.push(hook)
  else if (scope) hook(scope.sql)
}

/** Makes `db` and all transactions begun with it known to `afterCommit`. */
function runHooksAfterCommit(db: Db, sql: Sql): void {
  scopes.set(db, { sql, hooks: null })
  const begin = db.transaction.bind(db)
  db.transaction = async (work, config) => {
    const hooks: AfterCommit[] = []
    const result = await begin((tx) => {
      followTransaction(tx, { sql, hooks })
      return work(tx)
    }, config)
    for (const hook of hooks) hook(sql)
    return result
  }
}

/** A savepoint's hooks join those around it when it is released. */
function followTransaction(tx: Db, scope: Scope): void {
  scopes.set(tx, scope)
  const begin = tx.transaction.bind(tx)
  tx.transaction = async (work, config) => {
    const hooks: AfterCommit[] = []
    const result = await begin((inner) => {
      followTransaction(inner, { sql: scope.sql, hooks })
      return work(inner)
    }, config)
    scope.hooks?.push(...hooks)
    return result
  }
}

/**
 * The client below Drizzle, for statements worth preparing: Drizzle itself sends raw SQL unprepared.
 * Inside a transaction it is that transaction's. It writes and reads times as text.
 */
export function rawClient(db: Db): RawSql {
  return (db as unknown as { session: { client: RawSql } }).session.client
}
