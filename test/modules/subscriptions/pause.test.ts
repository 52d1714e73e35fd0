import { afterAll, beforeAll, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import { eventually, TestVeil } from '#test/veil'
import { day, Life } from './life-fixture'

let veil: TestVeil
let upstream: TestServer

beforeAll(async () => {
  veil = await TestVeil.start()
  upstream = startEchoUpstream('upstream')
})
afterAll(async () => {
  await veil.stop()
  await upstream.stop()
})

const MARCH = '2027-03-01T00:00:00.000Z'
const MARCH_16 = '2027-03-16T00:00:00.000Z'
const plan = { flatFee: 3_100, quota: { limit: 310, hard: true } }

test('a pause credits what is left of the period; going on begins a new cycle', async () => {
  const upstreamUrl = `http://127.0.0.1:${upstream.port}`
  const life = await Life.begin(veil, MARCH, { plan }, upstreamUrl)
  const callUntil = (status: number) =>
    eventually(
      () => veil.call(`/${life.slug}`, life.key),
      (answer) => answer.status === status,
      1_000,
    )
  await life.at(MARCH_16)
  await callUntil(200)
  expect(await life.ok('POST', '/pause')).toMatchObject({ status: 'paused' })
  await callUntil(403)
  expect(await life.adjustments()).toEqual([{ code: 'pause_credit', amount: -1_600 }])
  expect(await life.periods()).toMatchObject([{ quota: 150, status: 'closed' }])

  await life.at('2027-05-10T00:00:00Z')
  await life.run('subscription-renewal', 'scheduled-plan-changes')
  expect(await life.periods()).toHaveLength(1)
  const refused = await life.ask('POST', '/pause')
  expect(refused).toMatchObject({ status: 409, body: { code: 'illegal_transition' } })
  expect(refused.body.detail).toContain('Possible: resume, cancel.')

  await life.ok('POST', '/resume')
  await callUntil(200)
  const [, resumed] = await life.periods()
  expect(resumed).toMatchObject({ fee: 3_100, quota: 310, status: 'open' })
  expect([resumed?.start, resumed?.end].map((at) => at && day(at))).toEqual([
    ...['2027-05-10', '2027-06-10'],
  ])
  expect(await life.ask('POST', '/resume')).toMatchObject({
    ...{ status: 409, body: { code: 'illegal_transition' } },
  })
  expect(await life.reasons()).toEqual(['subscribed', 'paused', 'resumed'])
  await life.at('2027-06-10T00:00:00Z')
  await life.run('subscription-renewal')
  expect((await life.periods()).map(({ start }) => day(start))).toEqual([
    ...['2027-03-01', '2027-05-10', '2027-06-10'],
  ])
})

test('a pause can be cancelled, which is at once', async () => {
  const life = await Life.begin(veil, MARCH, { plan: { ...plan, refundPolicy: 'time' } })
  await life.at(MARCH_16)
  await life.ok('POST', '/pause')
  await life.at('2027-03-20T00:00:00.000Z')
  expect(await life.ok('POST', '/cancel', {})).toMatchObject({
    ...{ status: 'cancelled', endedAt: '2027-03-20T00:00:00.000Z' },
  })
  expect(await life.adjustments()).toHaveLength(1)
  expect(await life.periods()).toMatchObject([{ end: new Date(MARCH_16) }])
})

test('a pause and a going on at the very same moment leave no empty period', async () => {
  const life = await Life.begin(veil, MARCH, { plan })
  await life.ok('POST', '/pause')
  await life.ok('POST', '/resume')
  const [first, second] = await life.periods()
  expect(second?.start).toEqual(first?.end)
  expect(await life.adjustments()).toEqual([{ code: 'pause_credit', amount: -3_100 }])
})
