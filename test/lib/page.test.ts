import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeCursor, toPage } from '#lib/page'

const at = new Date('2026-03-01T00:00:00.123Z')
const row = (id: string) => ({ id, createdAt: at, extra: 1 })
const encoded = (text: string) => Buffer.from(text).toString('base64url')

describe('toPage', () => {
  test.each<[number, number, boolean]>([
    [0, 1, false],
    [1, 1, false],
    [2, 1, true],
    [20, 20, false],
    [21, 20, true],
  ])('%i rows read for a limit of %i: more %s', (count, limit, more) => {
    const rows = Array.from({ length: count }, (_, index) => row(`x${index}`))
    const page = toPage(rows, limit)
    expect(page.items).toEqual(rows.slice(0, limit))
    expect(page.nextCursor !== null).toBe(more)
    if (page.nextCursor)
      expect(decodeCursor(page.nextCursor)).toEqual({ createdAt: at, id: rows[limit - 1]!.id })
  })
})

describe('decodeCursor', () => {
  test('reads back what toPage wrote', () => {
    const dates = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    })
    fc.assert(
      fc.property(dates, fc.stringMatching(/^[a-z]{3}_[0-9a-f]{32}$/), (createdAt, id) => {
        const { nextCursor } = toPage([{ createdAt, id }, row('next')], 1)
        expect(decodeCursor(nextCursor ?? '')).toEqual({ createdAt, id })
      }),
    )
  })

  test.each([
    '',
    'x',
    '%00',
    encoded(''),
    encoded('|'),
    encoded('2026-03-01T00:00:00.123Z'),
    encoded('2026-03-01T00:00:00.123Z|'),
    encoded('|api_1'),
    encoded('2026-03-01T00:00:00.123Z|a|b'),
    encoded('2026-13-01T00:00:00.123Z|a'),
    encoded('2026-03-01|a'),
    encoded('1|a'),
    encoded('now|a'),
    encoded('infinity|a'),
    encoded('0000-01-01T00:00:00.000Z|a'),
    encoded('-000001-01-01T00:00:00.000Z|a'),
    encoded('+010000-01-01T00:00:00.000Z|a'),
    encoded('+275760-09-13T00:00:00.000Z|a'),
  ])('%j is none of ours', (text) => {
    expect(decodeCursor(text)).toBeNull()
  })

  test('whatever comes, it answers, and only with an instant that Postgres can hold', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string().map(encoded)), (text) => {
        const cursor = decodeCursor(text)
        if (cursor) expect(cursor.createdAt.toISOString()).toMatch(/^\d{4}-/)
      }),
    )
  })
})
