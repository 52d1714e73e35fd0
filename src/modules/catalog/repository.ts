import { and, asc, count, desc, eq, getTableColumns, inArray, type SQL, sql } from 'drizzle-orm'
import type { Db } from '#db/client'
import { olderThan } from '#db/paging'
import {
  apiAllowedMethods,
  apiCategories,
  apiRequiredHeaders,
  apis,
  type HttpMethod,
} from '#db/schema/catalog'
import { users } from '#db/schema/identity'
import { apiSubscriptions } from '#db/schema/subscriptions'
import type { Id } from '#lib/id'
import type { PageRequest } from '#lib/page'

export type ApiRow = typeof apis.$inferSelect
type ApiInsert = typeof apis.$inferInsert

export interface RequiredHeader {
  name: string
  value: string | null
}

/** An API with all that belongs to it. */
export interface Api extends Omit<ApiRow, 'search'> {
  category: string | null
  provider: string
  methods: HttpMethod[]
  requiredHeaders: RequiredHeader[]
}

const { search: _search, ...apiColumns } = getTableColumns(apis)

async function select(db: Db, where: SQL | undefined, limit?: number): Promise<Api[]> {
  const query = db
    .select({ ...apiColumns, category: apiCategories.slug, provider: users.name })
    .from(apis)
    .innerJoin(users, eq(users.id, apis.ownerId))
    .leftJoin(apiCategories, eq(apiCategories.id, apis.categoryId))
    .where(where)
    .orderBy(desc(apis.createdAt), desc(apis.id))
  const rows = await (limit === undefined ? query : query.limit(limit))
  return withParts(db, rows)
}

type Bare = Omit<Api, 'methods' | 'requiredHeaders'>

async function withParts(db: Db, rows: Bare[]): Promise<Api[]> {
  const ids = rows.map((row) => row.id)
  if (ids.length === 0) return []
  const [methods, headers] = await Promise.all([
    db.select().from(apiAllowedMethods).where(inArray(apiAllowedMethods.apiId, ids)),
    db
      .select()
      .from(apiRequiredHeaders)
      .where(inArray(apiRequiredHeaders.apiId, ids))
      .orderBy(asc(apiRequiredHeaders.name)),
  ])
  return rows.map((row) => ({
    ...row,
    methods: methods.filter(({ apiId }) => apiId === row.id).map(({ method }) => method),
    requiredHeaders: headers
      .filter(({ apiId }) => apiId === row.id)
      .map(({ name, value }) => ({ name, value })),
  }))
}

export async function findApi(db: Db, id: Id<'api'>): Promise<Api | null> {
  const [api] = await select(db, eq(apis.id, id))
  return api ?? null
}

export async function findPublished(db: Db, slug: string): Promise<Api | null> {
  const [api] = await select(db, and(eq(apis.slug, slug), eq(apis.status, 'published')))
  return api ?? null
}

export function listOwned(db: Db, ownerId: Id<'usr'>, page: PageRequest): Promise<Api[]> {
  return select(db, and(eq(apis.ownerId, ownerId), olderThan(apis, page.after)), page.limit + 1)
}

export interface ListingFilter {
  search?: string
  category?: string
}

export function listPublished(db: Db, filter: ListingFilter, page: PageRequest): Promise<Api[]> {
  return select(
    db,
    and(
      eq(apis.status, 'published'),
      filter.category === undefined ? undefined : eq(apiCategories.slug, filter.category),
      filter.search === undefined ? undefined : matches(filter.search),
      olderThan(apis, page.after),
    ),
    page.limit + 1,
  )
}

/** Every word must begin a word of the listing; punctuation is not syntax. */
function matches(search: string): SQL {
  const words = search.match(/[\p{L}\p{N}]+/gu) ?? []
  if (words.length === 0) return sql`false`
  const query = words.map((word) => `${word}:*`).join(' & ')
  return sql`${apis.search} @@ to_tsquery('simple', ${query})`
}

export interface ApiParts {
  methods: HttpMethod[]
  requiredHeaders: RequiredHeader[]
}

export async function insertApi(db: Db, row: ApiInsert, parts: ApiParts): Promise<void> {
  await db.insert(apis).values(row)
  await insertParts(db, row.id, parts)
}

async function insertParts(db: Db, apiId: Id<'api'>, parts: ApiParts): Promise<void> {
  await db.insert(apiAllowedMethods).values(parts.methods.map((method) => ({ apiId, method })))
  if (parts.requiredHeaders.length === 0) return
  await db
    .insert(apiRequiredHeaders)
    .values(parts.requiredHeaders.map((header) => ({ apiId, ...header })))
}

type ApiStatus = ApiRow['status']

/** What must still be so for a write to happen; it is lost work otherwise. */
export interface Expected {
  version: number
  status?: ApiStatus
}

/** Writes the columns if the row still is as expected; false when it has moved on. */
export async function updateApi(
  db: Db,
  id: Id<'api'>,
  { version, status }: Expected,
  set: Partial<ApiInsert>,
  parts?: ApiParts,
): Promise<boolean> {
  const rows = await db
    .update(apis)
    .set({ ...set, version: version + 1 })
    .where(
      and(
        eq(apis.id, id),
        eq(apis.version, version),
        status === undefined ? undefined : eq(apis.status, status),
      ),
    )
    .returning({ id: apis.id })
  if (rows.length === 0) return false
  if (parts) {
    await db.delete(apiAllowedMethods).where(eq(apiAllowedMethods.apiId, id))
    await db.delete(apiRequiredHeaders).where(eq(apiRequiredHeaders.apiId, id))
    await insertParts(db, id, parts)
  }
  return true
}

export async function setStatus(
  db: Db,
  id: Id<'api'>,
  set: Pick<Partial<ApiInsert>, 'status' | 'publishedAt' | 'updatedAt'>,
): Promise<void> {
  await db.update(apis).set(set).where(eq(apis.id, id))
}

/** Moves an API on, unless it has been moved meanwhile: then false. Locks its row. */
export async function moveStatus(
  db: Db,
  id: Id<'api'>,
  from: ApiStatus,
  set: { status: ApiStatus; updatedAt: Date },
): Promise<boolean> {
  const rows = await db
    .update(apis)
    .set(set)
    .where(and(eq(apis.id, id), eq(apis.status, from)))
    .returning({ id: apis.id })
  return rows.length > 0
}

export async function deleteApi(db: Db, id: Id<'api'>): Promise<void> {
  await db.delete(apis).where(eq(apis.id, id))
}

export async function hasSubscriptions(db: Db, apiId: Id<'api'>): Promise<boolean> {
  const rows = await db
    .select({ id: apiSubscriptions.id })
    .from(apiSubscriptions)
    .where(eq(apiSubscriptions.apiId, apiId))
    .limit(1)
  return rows.length > 0
}

export type Category = typeof apiCategories.$inferSelect

export function listCategories(db: Db): Promise<Category[]> {
  return db.select().from(apiCategories).orderBy(asc(apiCategories.name))
}

/** Categories with the number of published APIs in each. */
export function countByCategory(db: Db) {
  return db
    .select({
      id: apiCategories.id,
      slug: apiCategories.slug,
      name: apiCategories.name,
      description: apiCategories.description,
      apis: count(apis.id),
    })
    .from(apiCategories)
    .leftJoin(apis, and(eq(apis.categoryId, apiCategories.id), eq(apis.status, 'published')))
    .groupBy(apiCategories.id)
    .orderBy(asc(apiCategories.name))
}

export async function findCategory(
  db: Db,
  by: { id: Id<'cat'> } | { slug: string },
): Promise<Category | null> {
  const where = 'id' in by ? eq(apiCategories.id, by.id) : eq(apiCategories.slug, by.slug)
  const [row] = await db.select().from(apiCategories).where(where)
  return row ?? null
}

export async function insertCategory(db: Db, row: typeof apiCategories.$inferInsert) {
  await db.insert(apiCategories).values(row)
}

export async function updateCategory(
  db: Db,
  id: Id<'cat'>,
  set: Partial<typeof apiCategories.$inferInsert>,
): Promise<Category | null> {
  const [row] = await db.update(apiCategories).set(set).where(eq(apiCategories.id, id)).returning()
  return row ?? null
}

export async function deleteCategory(db: Db, id: Id<'cat'>): Promise<boolean> {
  const rows = await db
    .delete(apiCategories)
    .where(eq(apiCategories.id, id))
    .returning({ id: apiCategories.id })
  return rows.length > 0
}
