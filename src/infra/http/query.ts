import type { TObject } from '@sinclair/typebox'

const INTEGER = /^-?\d{1,15}$/

/**
 * Turns the digits of a query into numbers where the shape has an integer; a query holds only text.
 * Elysia does so by itself for numbers and booleans, not for integers. Anything else stays as it is
 * and is refused with its place.
 */
export function integerReader(shape: TObject) {
  const names = Object.entries(shape.properties)
    .filter(([, schema]) => schema.type === 'integer')
    .map(([name]) => name)
  return ({ query }: { query: Record<string, unknown> }): void => {
    for (const name of names) {
      const text = query[name]
      if (typeof text === 'string' && INTEGER.test(text)) query[name] = Number(text)
    }
  }
}
