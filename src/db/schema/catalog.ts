import { type SQL, sql } from 'drizzle-orm'
import {
  check,
  customType,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  unique,
} from 'drizzle-orm/pg-core'
import { createdAt, idColumn, instant, updatedAt } from '../columns'
import { users } from './identity'

const tsvector = customType<{ data: string }>({ dataType: () => 'tsvector' })

export const API_STATUSES = [
  'draft',
  'publishing',
  'published',
  'unpublishing',
  /** By an admin; only an admin lets it be a draft again. */
  'taken_down',
] as const
export const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
export type HttpMethod = (typeof HTTP_METHODS)[number]

export const apiCategories = pgTable('api_categories', {
  id: idColumn('cat', 'id').primaryKey(),
  slug: text('slug').notNull().unique(),
  name: text('name').notNull(),
  description: text('description').notNull().default(''),
  createdAt: createdAt(),
})

export const apis = pgTable(
  'apis',
  {
    id: idColumn('api', 'id').primaryKey(),
    ownerId: idColumn('usr', 'owner_id')
      .notNull()
      .references(() => users.id),
    categoryId: idColumn('cat', 'category_id').references(() => apiCategories.id),
    slug: text('slug').notNull().unique(),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    upstreamUrl: text('upstream_url').notNull(),
    status: text('status', { enum: API_STATUSES }).notNull().default('draft'),
    publishedAt: instant('published_at'),
    /** Grows with every edit; the ETag of the resource. */
    version: integer('version').notNull().default(1),
    search: tsvector('search').generatedAlwaysAs(
      (): SQL =>
        // Postgres takes "maps/geo" or "acme-10" for one word: what joins words becomes a space.
        sql`to_tsvector('simple', regexp_replace(${apis.name} || ' ' || ${apis.slug} || ' ' || ${apis.description}, '[-/._:@]+', ' ', 'g'))`,
    ),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    check('apis_slug_form', sql`${table.slug} ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'`),
    check(
      'apis_status_known',
      sql`${table.status} in ('draft','publishing','published','unpublishing','taken_down')`,
    ),
    index('apis_owner').on(table.ownerId, table.createdAt, table.id),
    index('apis_marketplace')
      .on(table.createdAt, table.id)
      .where(sql`${table.status} = 'published'`),
    index('apis_category').on(table.categoryId),
    index('apis_search').using('gin', table.search),
  ],
)

export const apiAllowedMethods = pgTable(
  'api_allowed_methods',
  {
    apiId: idColumn('api', 'api_id')
      .notNull()
      .references(() => apis.id, { onDelete: 'cascade' }),
    method: text('method', { enum: HTTP_METHODS }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.apiId, table.method] })],
)

export const apiRequiredHeaders = pgTable(
  'api_required_headers',
  {
    apiId: idColumn('api', 'api_id')
      .notNull()
      .references(() => apis.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    /** The value the header must have; null when any value will do. */
    value: text('value'),
  },
  (table) => [primaryKey({ columns: [table.apiId, table.name] })],
)

export const apiRatings = pgTable(
  'api_ratings',
  {
    id: idColumn('rat', 'id').primaryKey(),
    apiId: idColumn('api', 'api_id')
      .notNull()
      .references(() => apis.id, { onDelete: 'cascade' }),
    userId: idColumn('usr', 'user_id')
      .notNull()
      .references(() => users.id),
    stars: smallint('stars').notNull(),
    review: text('review'),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    unique('api_ratings_once').on(table.apiId, table.userId),
    check('api_ratings_stars', sql`${table.stars} between 1 and 5`),
  ],
)
