import { and, eq, inArray, lt, type SQL, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { apiAllowedMethods, apiRequiredHeaders, apis } from '#db/schema/catalog'
import { gatewayCommits } from '#db/schema/gateway'
import { apiKeys } from '#db/schema/keys'
import { invariant } from '#lib/errors'
import type { Id } from '#lib/id'
import type { DesiredApi } from './desired'

export type Commit = typeof gatewayCommits.$inferSelect

/** Statuses in which an API is, or is about to be, reachable. */
const REACHABLE = ['publishing', 'published'] as const
/** Statuses in which a key stands in the allow-list; the edge decides about the call. */
const ALLOWED = ['pending', 'active', 'failed_sync', 'rotating'] as const

/** An API as it was loaded last, and all that it was made of. */
interface LoadedApi {
  source: string
  api: DesiredApi
}

/**
 * Everything that the gateway should serve, as the database knows it, in one snapshot. An API of which
 * nothing changed is the same object as the last time, so that it need not be rendered again.
 */
export class DesiredApis {
  private loaded = new Map<string, LoadedApi>()

  constructor(private readonly db: Db) {}

  async load(): Promise<DesiredApi[]> {
    const { rows, methods, headers, keys } = await selectApis(this.db)
    const methodsOf = groupBy(methods, (row) => row.method)
    const headersOf = groupBy(headers, ({ name, value }) => ({ name, value }))
    const keysOf = new Map<string, string>(keys.map(({ apiId, ids }) => [apiId, ids]))
    const loaded = rows.map(({ id, slug, upstreamUrl }): LoadedApi => {
      const parts = { methods: methodsOf.get(id) ?? [], requiredHeaders: headersOf.get(id) ?? [] }
      const keyIds = keysOf.get(id)
      const source = `${JSON.stringify([slug, upstreamUrl, parts])}${keyIds}`
      const before = this.loaded.get(id)
      if (before?.source === source) return before
      return { source, api: { id, slug, upstreamUrl, ...parts, keyIds: keyIds?.split(',') ?? [] } }
    })
    this.loaded = new Map(loaded.map((one) => [one.api.id, one]))
    return loaded.map(({ api }) => api)
  }
}

const selectApis = (db: Db) =>
  db.transaction(
    async (tx) => {
      const { id, slug, upstreamUrl, status } = apis
      const rows = await tx
        .select({ id, slug, upstreamUrl })
        .from(apis)
        .where(inArray(status, [...REACHABLE]))
      const [methods, headers, keys] = await Promise.all([
        tx.select().from(apiAllowedMethods),
        tx.select().from(apiRequiredHeaders),
        tx
          // A row for each of a hundred thousand keys would take longer than all the rest.
          .select({ apiId: apiKeys.apiId, ids: sql<string>`string_agg(${apiKeys.id}, ',')` })
          .from(apiKeys)
          .where(inArray(apiKeys.status, [...ALLOWED]))
          .groupBy(apiKeys.apiId),
      ])
      return { rows, methods, headers, keys }
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  )

function groupBy<R extends { apiId: string }, V>(
  rows: R[],
  value: (row: R) => V,
): Map<string, V[]> {
  const groups = new Map<string, V[]>()
  for (const row of rows) {
    const group = groups.get(row.apiId)
    if (group) group.push(value(row))
    else groups.set(row.apiId, [value(row)])
  }
  return groups
}

/**
 * Opens the log of a change. While its coordinator may live, for `deadlineMs` by the clock of Postgres,
 * nobody else settles it.
 */
export async function insertCommit(
  db: Db,
  commit: Pick<Commit, 'id' | 'kind' | 'subjectId' | 'apiId' | 'undo' | 'createdAt'>,
  deadlineMs: number,
): Promise<void> {
  await db.insert(gatewayCommits).values({
    ...commit,
    state: 'preparing',
    deadlineAt: sql`clock_timestamp() + ${deadlineMs}::float8 * interval '1 millisecond'`,
  })
}

export interface Outcome {
  state: 'committed' | 'rolled_back'
  at: Date
  revision?: string
  error?: string
}

/** Writes the outcome once. @returns false when somebody else already has */
export async function finishCommit(db: Db, id: Id<'gwc'>, outcome: Outcome): Promise<boolean> {
  const { state, at, revision = null, error = null } = outcome
  const rows = await db
    .update(gatewayCommits)
    .set({ state, revision, error, finishedAt: at })
    .where(and(eq(gatewayCommits.id, id), eq(gatewayCommits.state, 'preparing')))
    .returning({ id: gatewayCommits.id })
  return rows.length === 1
}

/** Whether a change that is still open would put these values of `undo` back. */
export async function wouldPutBack(db: Db, values: Record<string, unknown>): Promise<boolean> {
  const { state, undo } = gatewayCommits
  const held = sql`${undo} @> ${JSON.stringify(values)}::jsonb`
  return (await db.$count(gatewayCommits, and(eq(state, 'preparing'), held))) > 0
}

/** What became of a change that is settled. */
export async function settledOutcome(
  db: Db,
  id: Id<'gwc'>,
): Promise<Pick<Commit, 'state' | 'error'>> {
  const { state, error } = gatewayCommits
  const [row] = await db
    .select({ state, error })
    .from(gatewayCommits)
    .where(eq(gatewayCommits.id, id))
  return invariant(row, id)
}

/** Changes whose coordinator should have settled them by now. */
export async function commitsInDoubt(db: Db): Promise<Commit[]> {
  return db
    .select()
    .from(gatewayCommits)
    .where(
      and(
        eq(gatewayCommits.state, 'preparing'),
        lt(gatewayCommits.deadlineAt, sql`clock_timestamp()`),
      ),
    )
    .orderBy(gatewayCommits.id)
    .limit(1000)
}

/** Changes that are not settled, by their age. */
export async function countOpenCommits(db: Db) {
  const age = sql`now() - ${gatewayCommits.createdAt}`
  const count = (which: SQL) => sql<number>`(count(*) filter (where ${which}))::int`
  const [counts] = await db
    .select({
      'under 10 s': count(sql`${age} < interval '10 s'`),
      'under 60 s': count(sql`${age} >= interval '10 s' and ${age} < interval '60 s'`),
      older: count(sql`${age} >= interval '60 s'`),
      oldestSeconds: sql<number>`coalesce(greatest(0, extract(epoch from max(${age}))), 0)::float8`,
    })
    .from(gatewayCommits)
    .where(eq(gatewayCommits.state, 'preparing'))
  return invariant(counts, 'counts')
}
