import { sql } from 'drizzle-orm'
import { check, index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import type { Role } from '#lib/access'
import { bytea, createdAt, idColumn, instant, updatedAt } from '../columns'

export const users = pgTable(
  'users',
  {
    id: idColumn('usr', 'id').primaryKey(),
    /** Lower-cased before it is written, so that uniqueness ignores case. */
    email: text('email').notNull().unique(),
    passwordHash: text('password_hash'),
    name: text('name').notNull(),
    roles: text('roles').array().$type<Role[]>().notNull(),
    status: text('status', { enum: ['active', 'suspended', 'closed'] })
      .notNull()
      .default('active'),
    failedLogins: integer('failed_logins').notNull().default(0),
    lockedUntil: instant('locked_until'),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    check('users_email_lower', sql`${table.email} = lower(${table.email})`),
    check('users_roles_known', sql`${table.roles} <@ array['consumer','provider','admin']`),
    check('users_status_known', sql`${table.status} in ('active','suspended','closed')`),
  ],
)

/** One login on one device: the family of its refresh tokens. */
export const sessions = pgTable(
  'sessions',
  {
    id: idColumn('ses', 'id').primaryKey(),
    userId: idColumn('usr', 'user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    userAgent: text('user_agent'),
    ipAddress: text('ip_address'),
    createdAt: createdAt(),
    lastUsedAt: instant('last_used_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    revokedAt: instant('revoked_at'),
    revokeReason: text('revoke_reason', { enum: ['logout', 'revoked', 'token_reuse'] }),
  },
  (table) => [index('sessions_user').on(table.userId, table.createdAt)],
)

/** Every refresh token ever handed out in a session; a used one that comes back was stolen. */
export const refreshTokens = pgTable(
  'refresh_tokens',
  {
    /** SHA-256 of the token. */
    hash: bytea('hash').primaryKey(),
    sessionId: idColumn('ses', 'session_id')
      .notNull()
      .references(() => sessions.id, { onDelete: 'cascade' }),
    issuedAt: instant('issued_at').notNull(),
    usedAt: instant('used_at'),
  },
  (table) => [index('refresh_tokens_session').on(table.sessionId)],
)

/** Keys that sign access tokens; the private part is encrypted with VEIL_SECRET. */
export const signingKeys = pgTable('signing_keys', {
  kid: text('kid').primaryKey(),
  publicJwk: jsonb('public_jwk').$type<Record<string, unknown>>().notNull(),
  encryptedPrivateJwk: text('encrypted_private_jwk').notNull(),
  createdAt: createdAt(),
  retiredAt: instant('retired_at'),
})
