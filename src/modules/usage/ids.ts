import type { Id, IdPrefix } from '#lib/id'

/** The public form of an id that is at hand as Postgres writes a uuid. */
export const idOf = <P extends IdPrefix>(prefix: P, uuid: string): Id<P> =>
  `${prefix}_${uuid.replaceAll('-', '')}`
