import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ensurePartitions } from '#db/migrate'
import { eventually, PASSWORD, type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let consumer: TestUser
let provider: TestUser
let sequence = 0

beforeAll(async () => {
  veil = await TestVeil.start()
})
afterAll(() => veil.stop())
beforeEach(async () => {
  veil.clock.set(new Date('2027-01-31T10:00:00.000Z'))
  provider = await veil.user('provider')
  consumer = await veil.user('consumer')
})

/** Subscribes to an API of its own, now. */
async function subscribe(plan: Record<string, unknown> = {}) {
  const slug = `renewed-${++sequence}`
  const api = await veil.publishedApi(
    provider,
    { slug, upstreamUrl: 'https://a.example' },
    { slug: 'p', name: 'P', type: 'flat', flatFee: 500, ...plan },
  )
  return veil.subscribe(consumer, api)
}

async function travelTo(instant: string): Promise<void> {
  veil.clock.set(new Date(instant))
  const body = { email: consumer.email, password: PASSWORD }
  consumer.token = (await veil.expectOk('POST', '/auth/login', { body })).accessToken
}
const renew = () => veil.container.renewals.renewDue(veil.clock.now())

interface PeriodRow {
  ordinal: number
  starts_at: Date
  ends_at: Date
  status: string
}
const periodsOf = (id: string) => veil.container.sql<PeriodRow[]>`
  select ordinal, starts_at, ends_at, status from billing_periods
  where subscription_id = ${id.slice(4)}::uuid order by ordinal`
async function countPeriods(): Promise<number> {
  const [row] = await veil.container.sql`select count(*)::int as periods from billing_periods`
  return row?.periods
}
const day = (date: Date) => date.toISOString().slice(0, 10)

function expectTiled(rows: PeriodRow[]): void {
  for (const [index, row] of rows.entries()) {
    expect(row.ordinal).toBe(index)
    if (index > 0) expect(row.starts_at).toEqual(rows[index - 1]?.ends_at)
    expect(row.status).toBe(index === rows.length - 1 ? 'open' : 'closed')
  }
}

test('nothing is renewed before its time, and then exactly once', async () => {
  const { id } = await subscribe()
  const [first] = await periodsOf(id)
  const end = first?.ends_at.getTime() ?? 0
  veil.clock.set(new Date(end - 60_000))
  expect(await renew()).toEqual({ opened: 0 })
  const due = new Date(end)
  expect(await veil.container.renewals.renewDue(due)).toEqual({ opened: 1 })
  expect(await veil.container.renewals.renewDue(due)).toEqual({ opened: 0 })
})

test.each<[string, string, string[]]>([
  [
    'monthly',
    '2027-06-01T00:00:00Z',
    ['2027-01-31', '2027-02-28', '2027-03-31', '2027-04-30', '2027-05-31'],
  ],
  ['quarterly', '2027-11-01T00:00:00Z', ['2027-01-31', '2027-04-30', '2027-07-31', '2027-10-31']],
  ['yearly', '2029-02-01T00:00:00Z', ['2027-01-31', '2028-01-31', '2029-01-31']],
  ['weekly', '2027-02-15T00:00:00Z', ['2027-01-31', '2027-02-07', '2027-02-14']],
])(
  'a %s subscription that began on 31 January, looked at again on %s',
  async (billingCycle, until, expected) => {
    const { id } = await subscribe({ billingCycle })
    await travelTo(until)
    await renew()
    const rows = await periodsOf(id)
    expectTiled(rows)
    expect(rows.map((row) => day(row.starts_at))).toEqual(expected)
    const { currentPeriod } = await veil.expectOk('GET', `/subscriptions/${id}`, {
      token: consumer.token,
    })
    expect(currentPeriod.start.slice(0, 10)).toBe(expected.at(-1))
  },
)

test('after a year of downtime every period that is due is opened, by several at once only once', async () => {
  const { id } = await subscribe({ billingCycle: 'monthly' })
  await travelTo('2028-03-01T00:00:00Z')
  const before = await countPeriods()
  const counts = await Promise.all([renew(), renew(), renew()])
  const rows = await periodsOf(id)
  expectTiled(rows)
  expect(rows).toHaveLength(14)
  expect(day(rows.at(-1)?.starts_at ?? new Date(0))).toBe('2028-02-29')
  const opened = counts.reduce((sum, count) => sum + count.opened, 0)
  expect(opened).toBe((await countPeriods()) - before)
})

test('what has ended is not renewed', async () => {
  const { id } = await subscribe()
  for (const status of ['cancelled', 'expired', 'paused', 'suspended']) {
    await veil.container
      .sql`update api_subscriptions set status = ${status} where id = ${id.slice(4)}::uuid`
    await travelTo('2027-05-01T00:00:00Z')
    await renew()
    expect(await periodsOf(id)).toHaveLength(1)
  }
})

test('quota and cost of a new period begin at nothing; a late call counts in its own', async () => {
  const quota = { limit: 2, hard: false, overageRate: '0.5' }
  const { id, keyId } = await subscribe({ quota })
  const report = async (count: number, at: string) => {
    await ensurePartitions(veil.container.sql, veil.clock)
    const events = Array.from({ length: count }, () => ({
      ...{
        id: randomUUID(),
        gatewayId: 'gw',
        sequence: ++sequence,
        keyId,
        method: 'GET',
        path: '/',
      },
      ...{ status: 200, durationMs: 1, requestBytes: 1, responseBytes: 1, at },
    }))
    const body = { events }
    const receipt = await veil.expectOk('POST', '/usage/events', { token: 't'.repeat(32), body })
    expect(receipt).toEqual({ accepted: count, rejected: [] })
  }
  const usage = () => veil.expectOk('GET', `/subscriptions/${id}/usage`, { token: consumer.token })

  veil.clock.advance(60_000)
  await report(5, veil.clock.now().toISOString())
  expect(await eventually(usage, ({ units }) => units === 5)).toMatchObject({
    quota: { limit: 2, used: 5, remaining: 0 },
    cost: { total: 502 },
  })

  await travelTo('2027-03-01T00:00:00Z')
  await renew()
  expect(await usage()).toMatchObject({
    ...{ calls: 0, errors: 0, units: 0 },
    quota: { used: 0, remaining: 2, period: { start: expect.stringMatching(/^2027-02-28/) } },
    cost: { total: 500, lines: [{ code: 'flat_fee' }] },
  })
  await report(1, veil.clock.now().toISOString())
  await report(1, '2027-02-27T00:00:00.000Z')
  expect(await eventually(usage, ({ units }) => units === 1)).toMatchObject({
    cost: { total: 500 },
  })
  const counters = () => veil.container.sql`
    select units::int as units from usage_counters join billing_periods p on p.id = billing_period_id
    where p.subscription_id = ${id.slice(4)}::uuid order by ordinal`
  const counted = await eventually(counters, (rows) => rows[0]?.units === 6)
  expect(counted.map(({ units }) => units)).toEqual([6, 1])
})
