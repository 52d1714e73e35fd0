import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '#lib/errors'
import type { AtFailpoint, Failpoint } from '#lib/failpoint'
import { disagreements } from '#test/gateway-agreement'
import { CommitLane, type Subject } from './commit-lane'

let lane: CommitLane

beforeAll(async () => {
  lane = await CommitLane.start()
})
afterAll(() => lane.stop())

const agree = async () =>
  expect(await disagreements(lane.database.sql, lane.caddy.adminUrl)).toEqual([])

const actorOf = ({ actorId }: Subject) => ({
  ...{ userId: actorId, sessionId: 'ses_0' as const, roles: [] },
})

/** Does something once, when that step is reached; the change waits for it. */
const once = (point: Failpoint, work: () => Promise<unknown>): AtFailpoint => {
  let isDone = false
  return async (reached) => {
    if (reached !== point || isDone) return
    isDone = true
    await work()
  }
}

const outcomesOf = async ({ id }: Subject) =>
  (
    await lane.database.sql`
      select state from gateway_commits where subject_id = ${id}`
  ).map(({ state }) => state)

describe('T1: while the gateway is asked', () => {
  test.each(['push.before-write', 'push.sent', 'push.answered', 'push.read-back'] as const)(
    '%s: no transaction is open, and the intent can be read by everybody',
    async (point) => {
      const subject = await lane.subject('publish')
      const seen: unknown[] = []
      const reached = once(point, async () => {
        const [open] = await lane.database.sql`
          select count(*)::int as count from pg_stat_activity
          where datname = current_database() and state like '%in transaction%'`
        const [api] = await lane.database.sql`
          select status from apis where id = ${subject.id.slice(4)}`
        seen.push(open?.count, await outcomesOf(subject), api?.status)
      })
      await lane.container({ reached }).catalog.publish(actorOf(subject), subject.id)
      expect(seen).toEqual([0, ['preparing'], 'publishing'])
    },
  )
})

test('T5: somebody else who writes just before us costs one more look, and no change is lost', async () => {
  const subject = await lane.subject('publish')
  const foreign = `${lane.caddy.adminUrl}/config/apps/http/servers/foreign`
  const server = { listen: ['127.0.0.1:0'], automatic_https: { disable: true } }
  const write = (method: string, path: string, body: unknown) =>
    fetch(path, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      keepalive: false,
    })
  const ours = `${lane.caddy.adminUrl}/config/apps/http/servers/veil/idle_timeout`
  const reached = once('push.before-write', async () => {
    await write('PUT', foreign, server)
    await write('PUT', ours, 1_000_000_000)
  })
  const { status } = await lane.container({ reached }).catalog.publish(actorOf(subject), subject.id)
  expect(status).toBe('published')
  expect((await fetch(foreign, { keepalive: false })).status).toBe(200)
  await fetch(foreign, { method: 'DELETE', keepalive: false })
  await agree()
})

describe('T10: a coordinator that is held up past its deadline', () => {
  test('reports the success of whoever settled its change', async () => {
    const subject = await lane.subject('publish')
    const reached = once('commit.after-intent', () => lane.recover())
    const { status } = await lane
      .container({ reached })
      .catalog.publish(actorOf(subject), subject.id)
    expect(status).toBe('published')
    expect(await outcomesOf(subject)).toEqual(['committed'])
    await agree()
  })

  test('changes nothing when it was rolled back, and says so', async () => {
    const subject = await lane.subject('publish')
    const elsewhere = lane.container({ adminUrls: ['http://127.0.0.1:1'], patienceMs: 20 })
    const reached = once('commit.after-intent', async () => {
      await lane.passDeadlines()
      await elsewhere.coordinator.recover()
    })
    const publishing = lane.container({ reached }).catalog.publish(actorOf(subject), subject.id)
    await expect(publishing).rejects.toMatchObject({ code: 'gateway_unavailable' })
    expect(await outcomesOf(subject)).toEqual(['rolled_back'])
    await agree()
  })

  test('a living one is left alone, whatever the clock of this process says', async () => {
    const subject = await lane.subject('publish')
    const reached = once('commit.after-intent', async () => {
      expect(await lane.container().coordinator.recover()).toBe(0)
    })
    await lane.container({ reached }).catalog.publish(actorOf(subject), subject.id)
    expect(await outcomesOf(subject)).toEqual(['committed'])
  })
})

test('T11: changes of one API at the same time, from two replicas: the last one is served', async () => {
  const subject = await lane.subject('publish')
  const replicas = [lane.container(), lane.container()]
  const actor = actorOf(subject)
  let done = 0
  for (let round = 0; round < 25; round++) {
    const changes = Array.from({ length: 8 }, async () => {
      const { catalog } = replicas[Math.floor(Math.random() * 2)] ?? lane.container()
      const { version } = await catalog.get(actor, subject.id)
      const upstreamUrl = `http://127.0.0.1:${1 + Math.floor(Math.random() * 9)}`
      const change = [
        () => catalog.publish(actor, subject.id),
        () => catalog.unpublish(actor, subject.id),
        () => catalog.update(actor, subject.id, version, { upstreamUrl }),
      ][Math.floor(Math.random() * 3)]
      await change?.()
      done++
    })
    for (const { reason } of (await Promise.allSettled(changes)).filter(
      (settled) => settled.status === 'rejected',
    ))
      expect(reason).toBeInstanceOf(AppError)
  }
  expect(done).toBeGreaterThan(25)
  await agree()
})
