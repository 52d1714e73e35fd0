import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { HttpFixture } from './fixture'

let http: HttpFixture
let name: string
let key: string

beforeAll(async () => {
  http = await HttpFixture.start()
})
afterAll(() => http.stop())
beforeEach(() => {
  name = randomUUID()
  key = randomUUID()
  http.during = async () => undefined
})

const HOUR_MS = 3_600_000
const send = (path = '/things', more: { user?: string; body?: unknown; key?: string } = {}) =>
  http.send(path, { key, body: { name }, ...more })
const runs = () => http.runs.get(name) ?? 0
const replayed = (response: Response) => response.headers.get('idempotent-replayed')

/** Lets requests into the handler and holds them there. */
function gate() {
  const opened = Promise.withResolvers<void>()
  const entered = Promise.withResolvers<void>()
  http.during = () => {
    entered.resolve()
    return opened.promise
  }
  return { open: opened.resolve, entered: entered.promise }
}

describe('T13: the same request', () => {
  test('is carried out once and answered alike: status, body and headers', async () => {
    const first = await send()
    const second = await send()
    expect([first.status, replayed(first)]).toEqual([201, null])
    expect([second.status, replayed(second)]).toEqual([201, 'true'])
    expect(await second.text()).toBe(await first.text())
    expect(second.headers.get('x-run')).toBe(name)
    expect(second.headers.get('content-type')).toMatch(/^application\/json/)
    expect(second.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'))
    expect(runs()).toBe(1)
  })

  test('fifty at once: one execution, the others are told to wait', async () => {
    const { open, entered } = gate()
    const all = Promise.all(Array.from({ length: 50 }, () => send()))
    await entered
    const waiting = await send()
    expect(waiting.status).toBe(409)
    expect(waiting.headers.get('retry-after')).toBe('1')
    expect(await waiting.json()).toMatchObject({ code: 'idempotency_key_in_use' })
    open()
    const statuses = (await all).map(({ status }) => status)
    expect(runs()).toBe(1)
    for (const status of statuses) expect([201, 409]).toContain(status)
    expect((await send()).status).toBe(201)
  })

  test('fifty at once without waiting: every answer is the one or a conflict', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => send()))
    expect(runs()).toBe(1)
    expect(answers.filter((answer) => answer.status === 201 && !replayed(answer))).toHaveLength(1)
    for (const answer of answers)
      if (answer.status !== 201)
        expect(await answer.json()).toMatchObject({ code: 'idempotency_key_in_use' })
  })

  test('an empty answer is replayed as one', async () => {
    expect((await send('/things/gone')).status).toBe(204)
    const second = await send('/things/gone')
    expect([second.status, replayed(second), await second.text()]).toEqual([204, 'true', ''])
    expect(runs()).toBe(1)
  })

  test('without a key it is carried out each time', async () => {
    for (let n = 0; n < 2; n++) await http.send('/things', { body: { name } })
    expect(runs()).toBe(2)
  })

  test('works where nobody needs to log in', async () => {
    for (let n = 0; n < 2; n++) expect((await send('/things/open')).status).toBe(200)
    expect(runs()).toBe(1)
  })
})

describe('T13: the same key', () => {
  test('with another body, or for another route, is refused', async () => {
    await send()
    for (const answer of [
      await send('/things', { body: { name, secret: 'x' } }),
      await send('/things', { body: { name: 'y' } }),
      await send('/things/gone'),
    ]) {
      expect(answer.status).toBe(422)
      expect(await answer.json()).toMatchObject({ code: 'idempotency_key_reused' })
    }
    expect(runs()).toBe(1)
  })

  test('of somebody else is another key: their answer is not shown', async () => {
    await send()
    const answer = await send('/things', { user: 'eve' })
    expect([answer.status, replayed(answer)]).toEqual([201, null])
    expect(await answer.json()).toEqual({ run: 2 })
  })

  test('is free after 24 hours, not before', async () => {
    await send()
    http.clock.advance(24 * HOUR_MS - 60_000)
    expect(replayed(await send())).toBe('true')
    http.clock.advance(61_000)
    expect(replayed(await send())).toBeNull()
    expect(runs()).toBe(2)
    expect(replayed(await send())).toBe('true')
  })

  test('after 24 hours may come with another body', async () => {
    await send()
    http.clock.advance(25 * HOUR_MS)
    expect((await send('/things', { body: { name, secret: 'new' } })).status).toBe(201)
  })

  test('left behind by a process that died is free after a minute, for the same request', async () => {
    const { open, entered } = gate()
    const lost = send()
    await entered
    expect((await send()).status).toBe(409)
    http.clock.advance(61_000)
    expect((await send('/things', { body: { name: 'y' } })).status).toBe(422)
    http.during = async () => undefined
    expect((await send()).status).toBe(201)
    open()
    await lost
    expect(runs()).toBe(2)
    expect(replayed(await send())).toBe('true')
  })

  test.each(['', ' ', 'a b', 'x'.repeat(256), 'a\u00e4', 'a\tb'])(
    '%j is no key',
    async (malformed) => {
      const answer = await send('/things', { key: malformed })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ code: 'idempotency_key_malformed' })
      expect(runs()).toBe(0)
    },
  )

  test('of 255 characters is one', async () => {
    const long = `${key}${'x'.repeat(255)}`.slice(0, 255)
    expect((await send('/things', { key: long })).status).toBe(201)
    expect(replayed(await send('/things', { key: long }))).toBe('true')
  })
})

describe('a refusal', () => {
  test('that came from carrying it out is an answer like any other', async () => {
    const first = await send('/things/conflict')
    const second = await send('/things/conflict')
    expect([first.status, second.status]).toEqual([409, 409])
    expect(replayed(second)).toBe('true')
    expect(second.headers.get('content-type')).toBe('application/problem+json')
    expect(await second.json()).toMatchObject({
      code: 'refused_on_purpose',
      instance: '/things/conflict',
    })
    expect(runs()).toBe(1)
  })

  test.each([
    ['/things/away', 503],
    ['/things/slow-down', 429],
    ['/things/busy', 409],
    ['/things/broken', 500],
  ])('of %s, %i, frees the key', async (path, status) => {
    for (let n = 1; n <= 2; n++) {
      const answer = await send(path)
      expect([answer.status, replayed(answer)]).toEqual([status, null])
      expect(runs()).toBe(n)
    }
  })

  test('of the shape is not kept: the mended request may have the same key', async () => {
    expect((await send('/things', { body: { name: '' } })).status).toBe(422)
    expect((await send('/things', { body: { name: `${name}\u0000` } })).status).toBe(422)
    expect((await send()).status).toBe(201)
  })
})

test('answers are not legible in the database', async () => {
  await send()
  const rows = await http.database
    .sql`select idempotency_keys::text as row from idempotency_keys where key = ${key}`
  expect(rows).toHaveLength(1)
  expect(rows[0]?.row).not.toContain(name)
})
