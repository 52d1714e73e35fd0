import type { Id } from '#lib/id'

/** From Postgres' notation to ours. */
export const eventIdOf = (uuid: string): Id<'evt'> => `evt_${uuid.replaceAll('-', '')}`

/** The 32 hex digits, which Postgres takes as a uuid. */
export const digitsOf = (id: string): string => id.slice(id.indexOf('_') + 1)

/** An array of ids as Postgres reads it: cheaper than having the client quote each. */
export const uuidArray = (ids: readonly string[]): string => `{${ids.map(digitsOf).join(',')}}`
