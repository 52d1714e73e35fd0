import { describe, expect, test } from 'vitest'
import { AppError, invariant } from '#lib/errors'

describe('errors', () => {
  class TeapotEmpty extends AppError {
    readonly kind = 'conflict'
    readonly code = 'teapot_empty'
    constructor(id: string, cause?: unknown) {
      super(`${id} is empty.`, { cause, retryAfter: 3 })
    }
  }

  test('carry their class, kind, code and cause', () => {
    const cause = new Error('leak')
    const error = new TeapotEmpty('pot_1', cause)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      ...{ name: 'TeapotEmpty', kind: 'conflict', code: 'teapot_empty', retryAfter: 3 },
      ...{ message: 'pot_1 is empty.', errors: [], cause },
    })
    expect('cause' in new TeapotEmpty('pot_1')).toBe(false)
  })

  test('invariant narrows what is there and is loud about what is not', () => {
    for (const value of [0, '', false]) expect(invariant(value, 'it')).toBe(value)
    for (const value of [null, undefined]) expect(() => invariant(value, 'it')).toThrow(/it/)
  })
})
