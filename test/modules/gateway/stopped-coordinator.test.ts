import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FAILPOINTS } from '#lib/failpoint'
import { disagreements } from '#test/gateway-agreement'
import { CommitLane, type Subject } from './commit-lane'

/** Before the intent nothing is known of the change, to nobody. */
const POINTS = FAILPOINTS.filter((point) => point !== 'commit.before-intent')

let lane: CommitLane
beforeAll(async () => {
  lane = await CommitLane.start()
})
afterAll(() => lane.stop())

const actorOf = ({ actorId }: Subject) => ({
  ...{ userId: actorId, sessionId: 'ses_0' as const, roles: [] },
})

/** All of the database and the gateway that a late coordinator might spoil. */
async function everything({ id }: Subject) {
  const { sql } = lane.database
  return {
    api: await sql`select status, version from apis where id = ${id.slice(4)}`,
    methods: await sql`select method from api_allowed_methods where api_id = ${id.slice(4)}`,
    commits:
      await sql`select state, error from gateway_commits where subject_id = ${id} order by id`,
    gateway: await (await fetch(`${lane.caddy.adminUrl}/config/`, { keepalive: false })).text(),
  }
}

const agree = async () =>
  expect(await disagreements(lane.database.sql, lane.caddy.adminUrl)).toEqual([])

describe.each(POINTS)(
  'T10, T12: stopped (SIGSTOP) at %s past its deadline and continued',
  (point) => {
    test('writes nothing that was undone meanwhile, to neither side', async () => {
      const subject = await lane.subject('publish')
      const stopped = await lane.runUntil(point, 'publish', subject)
      await lane.recover()
      await lane.container().catalog.unpublish(actorOf(subject), subject.id)
      const before = await everything(subject)
      await stopped.goOn()
      expect(await everything(subject)).toEqual(before)
      expect(before.api).toMatchObject([{ status: 'draft' }])
      await agree()
    })

    test('leaves what a recovery put back that could not reach the gateway', async () => {
      const subject = await lane.subject('update')
      const stopped = await lane.runUntil(point, 'update', subject)
      await lane.passDeadlines()
      const blind = lane.container({ adminUrls: ['http://127.0.0.1:1'], patienceMs: 20 })
      await blind.coordinator.recover()
      const { gateway: _, ...before } = await everything(subject)
      await stopped.goOn()
      // What it wrote before it was stopped is found by the next look, as by `gateway-health`.
      await lane.container().pusher.push()
      expect(await everything(subject)).toMatchObject(before)
      await agree()
    })
  },
)

test('of a coordinator that was held up, not even the write of before is sent', async () => {
  const subject = await lane.subject('publish')
  const before = (await everything(subject)).gateway
  const now = performance.now.bind(performance)
  const reached = (point: string) => {
    if (point === 'push.before-write') performance.now = () => now() + 11_000
  }
  try {
    const publishing = lane.container({ reached }).catalog.publish(actorOf(subject), subject.id)
    await expect(publishing).rejects.toMatchObject({ code: 'gateway_unavailable' })
  } finally {
    performance.now = now
  }
  expect(await everything(subject)).toMatchObject({ api: [{ status: 'draft' }], gateway: before })
})
