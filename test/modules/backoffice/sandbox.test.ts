import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SandboxClock, systemClock } from '#infra/clock'
import { SandboxService } from '#modules/backoffice'
import { startEchoUpstream } from '#test/gateway'
import { eventually, PASSWORD, type TestUser, TestVeil } from '#test/veil'

const DAY_S = 86_400

describe('a clock that is ahead', () => {
  const machine = { now: () => new Date('2027-03-01T12:00:00.000Z') }
  const noon = (day: number) => new Date(Date.UTC(2027, 2, day, 12))

  test('shows of every instant of the machine what it showed then', () => {
    const clock = new SandboxClock(machine)
    expect(clock.now()).toEqual(noon(1))
    clock.follow([
      { since: noon(-3), offsetMs: 1_000 },
      { since: noon(0), offsetMs: 5_000 },
    ])
    expect(clock.now().getTime() - noon(1).getTime()).toBe(5_000)
    const shown = [-4, -3, -1, 0].map(
      (day) => clock.shownAt(noon(day)).getTime() - noon(day).getTime(),
    )
    expect(shown).toEqual([0, 1_000, 1_000, 5_000])
  })
})

describe('in a sandbox', () => {
  let veil: TestVeil
  let admin: TestUser
  let upstream: { port: number; stop(): Promise<void> }
  beforeAll(async () => {
    veil = await TestVeil.start({ VEIL_SANDBOX: 'true' })
    upstream = startEchoUpstream('echo')
    admin = await veil.admin()
  })
  afterAll(async () => {
    await upstream.stop()
    await veil.stop()
  })

  const signIn = async (user: TestUser) => {
    const body = { email: user.email, password: PASSWORD }
    user.token = (await veil.expectOk('POST', '/auth/login', { body })).accessToken
  }
  const advance = (seconds: number) =>
    veil.expectOk('POST', '/admin/sandbox/clock', {
      token: admin.token,
      body: { advanceSeconds: seconds },
    })

  test('a month goes by at once: renewal comes, and a call counts in the new period', async () => {
    const [provider, consumer] = [await veil.user('provider'), await veil.user('consumer')]
    const api = await veil.publishedApi(provider, {
      slug: 'echo',
      upstreamUrl: `http://127.0.0.1:${upstream.port}`,
    })
    const { id, key } = await veil.subscribe(consumer, api)
    const usage = () =>
      veil.expectOk('GET', `/subscriptions/${id}/usage`, { token: consumer.token })
    const call = async () => {
      expect((await veil.call('/echo/', key)).status).toBe(200)
    }
    await call()
    const first = await eventually(usage, ({ calls }) => calls === 1)

    await advance(31 * DAY_S)
    await Promise.all([signIn(admin), signIn(consumer)])
    const renewal = '/admin/jobs/subscription-renewal/run'
    expect((await veil.expectOk('POST', renewal, { token: admin.token })).counts.opened).toBe(1)
    const second = await usage()
    expect(second.quota.period.start).toBe(first.quota.period.end)
    expect(second.calls).toBe(0)
    await eventually(
      async () => (await veil.call('/echo/', key)).status,
      (status) => status === 200,
    )
    await eventually(usage, ({ calls }) => calls > 0)
  })

  test('every process follows', async () => {
    const clock = new SandboxClock(systemClock)
    const other = new SandboxService(veil.database, clock)
    const stop = await other.start()
    const { now } = await advance(DAY_S)
    await eventually(
      async () => clock.now() >= new Date(now),
      (isThere) => isThere,
    )
    await stop()
  })

  test('it goes forward only, and refuses what is no time', async () => {
    await signIn(admin)
    const { token } = admin
    const { now } = await veil.expectOk('GET', '/admin/sandbox/clock', { token })
    const move = (body: unknown) => veil.request('POST', '/admin/sandbox/clock', { token, body })
    const earlier = new Date(Date.parse(now) - 1_000).toISOString()
    expect(await move({ now: earlier })).toMatchObject({
      status: 409,
      body: { code: 'clock_backwards' },
    })
    for (const body of [{}, { now: 'tomorrow' }, { advanceSeconds: 0 }, { now, advanceSeconds: 1 }])
      expect((await move(body)).status, JSON.stringify(body)).toBe(422)
    const later = new Date(Date.parse(now) + 60_000).toISOString()
    const moved = await move({ now: later })
    expect(moved.status).toBe(200)
    expect(moved.body.now >= later).toBe(true)
  })

  test('a batch of usage sent again counts once, though the clock moved in between', async () => {
    const [provider, consumer] = [await veil.user('provider'), await veil.user('consumer')]
    const api = await veil.publishedApi(provider, {
      slug: 'twice',
      upstreamUrl: 'https://a.example',
    })
    const { id, keyId } = await veil.subscribe(consumer, api)
    const event = {
      ...{ id: '0192f7a0-c1d4-7c3e-8f00-a1b2c3d4e5f6', gatewayId: 'elsewhere', sequence: 1, keyId },
      ...{
        method: 'GET',
        path: '/',
        status: 200,
        durationMs: 1,
        requestBytes: 1,
        responseBytes: 1,
      },
      at: veil.clock.now().toISOString(),
    }
    const post = (events: unknown[]) =>
      veil.expectOk('POST', '/usage/events', { token: 't'.repeat(32), body: { events } })
    const usage = () =>
      veil.expectOk('GET', `/subscriptions/${id}/usage`, { token: consumer.token })
    await post([event])
    await eventually(usage, ({ calls }) => calls === 1)
    await signIn(admin)
    await advance(60)
    await post([event])
    await post([event, { ...event, id: event.id.replace('0192', '0193'), sequence: 2 }])
    expect(await eventually(usage, ({ calls }) => calls > 1)).toMatchObject({ calls: 2 })
  })
})

test('elsewhere the clock is the machine’s', async () => {
  const veil = await TestVeil.start()
  try {
    const { token } = await veil.admin()
    for (const answer of [
      await veil.request('GET', '/admin/sandbox/clock', { token }),
      await veil.request('POST', '/admin/sandbox/clock', { token, body: { advanceSeconds: 1 } }),
    ])
      expect(answer).toMatchObject({ status: 409, body: { code: 'sandbox_off' } })
  } finally {
    await veil.stop()
  }
})
