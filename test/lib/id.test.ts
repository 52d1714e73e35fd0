import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newId, parseId, uuidv7 } from '#lib/id'

const clockAt = (ms: number) => ({ now: () => new Date(ms) })

describe('ids', () => {
  test('are version 7, variant 10, with the instant in front', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 48 - 1 }).filter((ms) => ms < 8.64e15),
        (ms) => {
          const id = uuidv7(clockAt(ms))
          expect(id).toMatch(/^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/)
          expect(Number.parseInt(id.slice(0, 12), 16)).toBe(ms)
        },
      ),
    )
  })

  test('made later sort later; made at the same instant differ', () => {
    const [early, late] = [uuidv7(clockAt(1_000)), uuidv7(clockAt(1_001))]
    expect(early < late).toBe(true)
    const same = new Set(Array.from({ length: 10_000 }, () => uuidv7(clockAt(5))))
    expect(same.size).toBe(10_000)
  })

  test('what newId makes, parseId takes, for its own prefix only', () => {
    const id = newId('sub', clockAt(1))
    expect(parseId('sub', id)).toBe(id)
    expect(parseId('api', id)).toBeNull()
    expect(parseId('key', 'key_9ZkP2mQx7LbT')).toBe('key_9ZkP2mQx7LbT')
  })

  const hex = 'a'.repeat(32)
  test.each([
    ...['', 'sub_', 'sub', `sub_${hex}0`, `sub_${hex.slice(1)}`, `sub_${hex.toUpperCase()}`],
    ...[`SUB_${hex}`, `sub_${hex}\n`, ` sub_${hex}`, `sub_sub_${hex}`, `sub_${hex.slice(1)}g`],
    "sub_' or 1=1 --",
  ])('%j is no id of a subscription', (text) => {
    expect(parseId('sub', text)).toBeNull()
  })

  test.each(['key_', 'key_9ZkP2mQx7Lb', 'key_9ZkP2mQx7LbTT', 'key_9ZkP2mQx7Lb-', `key_${hex}`])(
    '%j is no id of a key',
    (text) => {
      expect(parseId('key', text)).toBeNull()
    },
  )

  test('parseId never throws and never accepts what is not of its form', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseId('api', text)).toBeNull()
      }),
    )
  })
})
