import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Discard, defineEvent, publish, Worker } from '#infra/queue'
import { type TestUser, TestVeil } from '#test/veil'

const failing = defineEvent('test.failing', z.object({ n: z.int() }))
const waiting = defineEvent('test.waiting', z.object({ n: z.int() }), { history: true })
let veil: TestVeil
let admin: TestUser
let mended = false
let worker: Worker
const handled: number[] = []

beforeAll(async () => {
  veil = await TestVeil.start()
  admin = await veil.admin()
  const { database, logger } = veil.container
  worker = new Worker({ database, logger })
    .on(failing, async ({ n }) => {
      if (!mended) throw new Discard(`no use with ${n}`)
      handled.push(n)
    })
    .on(waiting, async () => undefined)
})
afterAll(() => veil.stop())

const ask = (method: string, path: string, body?: unknown) =>
  veil.request(method, `/admin/queue${path}`, { token: admin.token, body })
const ok = (method: string, path: string, body?: unknown) =>
  veil.expectOk(method, `/admin/queue${path}`, { token: admin.token, body })

async function die(...numbers: number[]): Promise<void> {
  mended = false
  for (const n of numbers) await publish(veil.container.database.db, failing, { n })
  await worker.drain()
}

async function audited(action: string): Promise<Record<string, unknown>[]> {
  const rows = await veil.container.sql<{ actor_id: string; details: Record<string, unknown> }[]>`
    select actor_id, details from audit_log where action = ${action} order by id`
  for (const { actor_id } of rows) expect(actor_id).toBe(admin.id)
  return rows.map(({ details }) => details)
}

const lettersOf = async (query = '?type=test.failing') =>
  (await ok('GET', `/dead-letter${query}`)).items as { id: string; eventId: string }[]

describe('dead letters over HTTP', () => {
  it('T18: one is retried once, under its id, and audited; the second click finds it gone', async () => {
    await die(1)
    const [letter] = await lettersOf()
    expect(letter).toMatchObject({ reason: 'no use with 1', payload: { n: 1 }, attempts: 1 })
    expect(await ok('GET', `/dead-letter/${letter?.id}`)).toEqual(letter)
    expect(await ok('GET', `/events/${letter?.eventId}`)).toMatchObject({ state: 'dead' })

    mended = true
    const clicks = await Promise.all(
      [1, 2, 3].map(() => ask('POST', `/dead-letter/${letter?.id}/retry`)),
    )
    expect(clicks.map(({ status }) => status).toSorted()).toEqual([200, 404, 404])
    await worker.drain()
    expect(handled).toEqual([1])
    expect(await audited('dead-letter.retried')).toEqual([{ events: [letter?.eventId] }])
    expect(await ask('POST', `/dead-letter/${letter?.id}/retry`)).toMatchObject({
      status: 404,
      body: { code: 'dead_letter_unknown' },
    })
  })

  it('T18: fails again and is back once, with both errors', async () => {
    await die(2)
    const [letter] = await lettersOf()
    await ok('POST', `/dead-letter/${letter?.id}/retry`)
    await worker.drain()
    const [again, ...others] = await lettersOf()
    expect(others).toEqual([])
    expect(again).toMatchObject({ eventId: letter?.eventId })
    expect(again).toHaveProperty('errors.length', 2)
    mended = true
    await ok('POST', '/dead-letter/retry', { type: 'test.failing' })
    await worker.drain()
  })

  it('many are retried by type and time; a dry run only counts', async () => {
    await die(11, 12)
    const [{ now = new Date() } = {}] = await veil.container.sql<{ now: Date }[]>`select now()`
    await die(13)
    mended = true
    const before = { type: 'test.failing', to: now.toISOString() }
    const counted = { matched: 2, retried: 0, kept: 0, dryRun: true }
    expect(await ok('POST', '/dead-letter/retry', { ...before, dryRun: true })).toEqual(counted)
    expect(await lettersOf()).toHaveLength(3)
    const done = { matched: 2, retried: 2, kept: 0, dryRun: false }
    expect(await ok('POST', '/dead-letter/retry', before)).toEqual(done)
    expect(await lettersOf()).toHaveLength(1)
    expect(await lettersOf(`?from=${now.toISOString()}`)).toHaveLength(1)
    expect(await lettersOf(`?to=${now.toISOString()}`)).toHaveLength(0)
    await worker.drain()
    expect(handled.slice(-2).toSorted()).toEqual([11, 12])
    expect(await audited('dead-letters.retried')).toContainEqual(before)
  })

  it.each([
    [{}, 'retry_without_filter'],
    [{ dryRun: true }, 'retry_without_filter'],
    [{ type: 'test.failing', when: 'now' }, 'invalid_input'],
    [{ from: 'yesterday' }, 'invalid_input'],
  ])('refuses to retry by %j', async (body, code) => {
    expect(await ask('POST', '/dead-letter/retry', body)).toMatchObject({
      status: 422,
      body: { code },
    })
  })
})

describe('events over HTTP', () => {
  it('are listed by state and type, page by page, and cancelled once', async () => {
    const db = veil.container.database.db
    const ids = []
    for (const n of [1, 2, 3]) {
      ids.push(await publish(db, waiting, { n }, { delayMs: 3_600_000 }))
    }
    const first = await ok('GET', '/events?type=test.waiting&state=scheduled&limit=2')
    const rest = await ok(
      'GET',
      `/events?type=test.waiting&state=scheduled&cursor=${first.nextCursor}`,
    )
    const listed = [...first.items, ...rest.items].map(({ id }: { id: string }) => id)
    expect(listed.toSorted()).toEqual(ids.toSorted())
    expect(rest.nextCursor).toBeNull()
    expect((await ok('GET', '/events?type=test.waiting&state=ready')).items).toEqual([])

    const [id] = ids
    const clicks = await Promise.all([1, 2].map(() => ask('POST', `/events/${id}/cancel`)))
    expect(clicks.map(({ status }) => status).toSorted()).toEqual([204, 404])
    expect(await ok('GET', `/events/${id}`)).toMatchObject({
      state: 'cancelled',
      payload: { n: 1 },
    })
    expect(await audited('event.cancelled')).toHaveLength(1)
  })

  it('cannot be cancelled while they run', async () => {
    const started = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const slow = defineEvent('test.slow', z.object({}))
    const { database, logger } = veil.container
    const busy = new Worker({ database, logger }).on(slow, async () => {
      started.resolve()
      await release.promise
    })
    const id = await publish(database.db, slow, {})
    const round = busy.drain()
    await started.promise
    expect(await ask('POST', `/events/${id}/cancel`)).toMatchObject({
      status: 409,
      body: { code: 'event_running' },
    })
    expect(await ok('GET', `/events/${id}`)).toMatchObject({ state: 'running', attempts: 1 })
    release.resolve()
    await round
    expect(await ask('GET', `/events/${id}`)).toMatchObject({ status: 404 })
  })

  it('T22: statistics say what is there', async () => {
    const { types, deadLetters, asOf, inFlightPastLease } = await ok('GET', '/stats')
    const [row] = await veil.container.sql`select count(*)::int as letters from dead_letters`
    expect(deadLetters.count).toBe(row?.letters)
    expect(inFlightPastLease).toBe(0)
    expect(Date.parse(asOf)).not.toBeNaN()
    expect(types).toContainEqual(
      expect.objectContaining({ type: 'test.waiting', scheduled: 2, ready: 0, running: 0 }),
    )
  })

  it('history is dropped by whole days, and counted first by a dry run', async () => {
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
    expect(await ask('DELETE', '/cleanup')).toMatchObject({ status: 422 })
    const dry = await ok('DELETE', `/cleanup?olderThan=${tomorrow}&dryRun=true`)
    expect(dry).toMatchObject({ dryRun: true })
    expect(dry.days).toContain(new Date().toISOString().slice(0, 10))
    const { days } = await ok('DELETE', `/cleanup?olderThan=${tomorrow}`)
    expect(days).toEqual(dry.days)
    expect((await ok('GET', '/events?state=cancelled')).items).toEqual([])
    expect(await audited('queue.cleaned-up')).toHaveLength(1)
  })

  it.each(['/events/evt_x', '/events/x', '/dead-letter/dlq_x'])('%s is unknown', async (path) => {
    expect(await ask('GET', path)).toMatchObject({ status: 404 })
  })
})
