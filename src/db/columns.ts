import { sql } from 'drizzle-orm'
import { customType, timestamp } from 'drizzle-orm/pg-core'
import type { Id, IdPrefix } from '#lib/id'

/** An id column: `uuid` in Postgres, `prefix_<32 hex>` in TypeScript, converted here and only here. */
export function idColumn<P extends Exclude<IdPrefix, 'key'>>(prefix: P, name: string) {
  return customType<{ data: Id<P>; driverData: string }>({
    dataType: () => 'uuid',
    toDriver: (id) => id.slice(prefix.length + 1),
    fromDriver: (uuid) => `${prefix}_${uuid.replaceAll('-', '')}`,
  })(name)
}

/** A key's id: the twelve base62 characters that stand in the key, `key_` in front outside Postgres. */
export function keyIdColumn(name: string) {
  return customType<{ data: Id<'key'>; driverData: string }>({
    dataType: () => 'text',
    toDriver: (id) => id.slice('key_'.length),
    fromDriver: (text) => `key_${text}`,
  })(name)
}

export const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => 'bytea',
})

/** The 64-bit id of the writing transaction; see the edge's change feed. */
export const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' })

/** An instant, UTC, to the millisecond that JavaScript can hold. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

export const createdAt = () => instant('created_at').notNull().default(sql`now()`)
export const updatedAt = () => instant('updated_at').notNull().default(sql`now()`)
