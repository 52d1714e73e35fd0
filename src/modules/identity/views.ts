import type { Id } from '#lib/id'
import type { SessionRow, UserRow } from './repository'
import type { Session, Tokens, User } from './schemas'
import { ACCESS_TOKEN_SECONDS } from './signing-keys'

export const toUser = (row: UserRow): User => ({
  id: row.id,
  email: row.email,
  name: row.name,
  roles: row.roles,
  status: row.status,
  createdAt: row.createdAt.toISOString(),
})

export const toSession = (row: SessionRow, currentId: Id<'ses'>): Session => ({
  id: row.id,
  current: row.id === currentId,
  userAgent: row.userAgent,
  ipAddress: row.ipAddress,
  createdAt: row.createdAt.toISOString(),
  lastUsedAt: row.lastUsedAt.toISOString(),
  expiresAt: row.expiresAt.toISOString(),
})

export const toTokens = (accessToken: string, refreshToken: string): Tokens => ({
  accessToken,
  refreshToken,
  expiresIn: ACCESS_TOKEN_SECONDS,
  tokenType: 'Bearer',
})
