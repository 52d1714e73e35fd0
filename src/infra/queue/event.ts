import type { ZodType } from 'zod'

const NAME = /^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$/

export interface EventOptions {
  /** Whether a row stays in the history when an event is done. */
  history?: boolean
}

/** A kind of event: its name and the shape of its payload, which is checked on write and on read. */
export interface EventDefinition<T> {
  readonly name: string
  readonly schema: ZodType<T>
  readonly history: boolean
}

/**
 * Declares an event. A change of shape that older rows do not have is a new event with a new name.
 *
 * @param name `noun.verbed`
 * @throws TypeError for a name of another form
 */
export function defineEvent<T>(
  name: string,
  schema: ZodType<T>,
  { history = false }: EventOptions = {},
): EventDefinition<T> {
  if (!NAME.test(name)) throw new TypeError(`event name ${name} is not of the form noun.verbed`)
  return { name, schema, history }
}
