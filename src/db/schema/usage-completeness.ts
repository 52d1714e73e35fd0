import { sql } from 'drizzle-orm'
import { bigint, check, customType, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { instant } from '../columns'

const int8multirange = customType<{ data: string }>({ dataType: () => 'int8multirange' })

/** Which numbers of a gateway's events arrived, accepted or not; moves with the post that brings them. */
export const usageArrivals = pgTable('usage_arrivals', {
  gatewayId: text('gateway_id').primaryKey(),
  received: int8multirange('received').notNull(),
  /** When the newest accepted call ended. */
  lastEventAt: instant('last_event_at'),
})

export const GAP_STATES = ['open', 'requested', 'unrecoverable'] as const

/** What is missing in between, since when we know, and what was done about it. Gone once it arrived. */
export const usageGaps = pgTable(
  'usage_gaps',
  {
    gatewayId: text('gateway_id').notNull(),
    first: bigint('first', { mode: 'number' }).notNull(),
    last: bigint('last', { mode: 'number' }).notNull(),
    since: instant('since').notNull(),
    state: text('state', { enum: GAP_STATES }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.gatewayId, table.first] }),
    check('usage_gaps_order', sql`0 < ${table.first} and ${table.first} <= ${table.last}`),
  ],
)
