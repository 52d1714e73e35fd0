import { z } from 'zod'
import { type Id, type IdPrefix, parseId } from '#lib/id'

/** Checks the form of an id where Zod reads: in the payloads of events. */
export const idSchema = <P extends IdPrefix>(prefix: P) =>
  z.custom<Id<P>>((value) => typeof value === 'string' && parseId(prefix, value) !== null, {
    error: `is not an id of the form ${prefix}_…`,
  })
