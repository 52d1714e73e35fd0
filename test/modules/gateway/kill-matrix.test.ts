import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FAILPOINTS, type Failpoint } from '#lib/failpoint'
import { disagreements } from '#test/gateway-agreement'
import { CommitLane, type Operation, type Subject } from './commit-lane'

/** Steps that a change passes otherwise while its gateway is away. */
const WITHOUT_GATEWAY: Failpoint[] = ['commit.before-outcome', 'commit.after-outcome']
/** Recovery is the same code for all operations. */
const RECOVERED: Operation[] = ['publish', 'create-key']
/** Steps that recovery passes as well. */
const OF_RECOVERY = FAILPOINTS.filter((point) => !point.endsWith('-intent'))

type Outcome = 'nothing' | 'committed' | 'rolled_back'

/** The gateway is back when recovery looks, so that only what was rolled back before stays so. */
function expected(point: Failpoint, isCaddyDown: boolean): Outcome {
  if (point === 'commit.before-intent') return 'nothing'
  return isCaddyDown && point === 'commit.after-outcome' ? 'rolled_back' : 'committed'
}

const apiStatus = async (lane: CommitLane, { id }: Subject) => {
  const [row] = await lane.database.sql`select status from apis where id = ${id.slice(4)}`
  return row ? row.status : 'gone'
}

const methodsOf = async (lane: CommitLane, { id }: Subject) =>
  (await lane.database.sql`select from api_allowed_methods where api_id = ${id.slice(4)}`).length

const keyCount = async (lane: CommitLane, { id }: Subject) =>
  (await lane.database.sql`select from api_keys where subscription_id = ${id.slice(4)}`).length

const keyStatus = async (lane: CommitLane, { id }: Subject) =>
  (await lane.database.sql`select status from api_keys where id = ${id.slice(4)}`)[0]?.status

/** What the database says afterwards of each operation: untouched, done, put back. */
const OPERATIONS: {
  operation: Operation
  look: (lane: CommitLane, subject: Subject) => Promise<unknown>
  after: Record<Outcome, unknown>
}[] = [
  {
    operation: 'publish',
    look: apiStatus,
    after: { nothing: 'draft', committed: 'published', rolled_back: 'draft' },
  },
  {
    operation: 'unpublish',
    look: apiStatus,
    after: { nothing: 'published', committed: 'draft', rolled_back: 'published' },
  },
  {
    operation: 'delete',
    look: apiStatus,
    after: { nothing: 'published', committed: 'gone', rolled_back: 'published' },
  },
  {
    operation: 'update',
    look: methodsOf,
    after: { nothing: 1, committed: 2, rolled_back: 1 },
  },
  {
    operation: 'create-key',
    look: keyCount,
    // A key whose push failed is kept, and healed by recovery.
    after: { nothing: 1, committed: 2, rolled_back: 2 },
  },
  {
    operation: 'revoke-key',
    look: keyStatus,
    after: { nothing: 'active', committed: 'revoked', rolled_back: 'revoked' },
  },
]

describe.concurrent.each(OPERATIONS)('T2, T4: $operation', ({ operation, look, after }) => {
  let lane: CommitLane
  beforeAll(async () => {
    lane = await CommitLane.start()
  })
  afterAll(() => lane.stop())

  const outcomes = async () =>
    (await lane.database.sql<{ state: Outcome }[]>`select state from gateway_commits`).map(
      ({ state }) => state,
    )

  async function killAt(point: Failpoint, isCaddyDown: boolean): Promise<void> {
    const what = `${operation}, ${point}, Caddy ${isCaddyDown ? 'down' : 'up'}`
    await lane.database.sql`truncate gateway_commits`
    const subject = await lane.subject(operation)
    const ending = await lane.run(operation, subject, { point, isCaddyDown })
    expect(ending, what).toEqual({ signal: 'SIGKILL', shown: null })
    await lane.recover()
    const outcome = expected(point, isCaddyDown)
    expect(await outcomes(), what).toEqual(outcome === 'nothing' ? [] : [outcome])
    expect(await look(lane, subject), what).toBe(after[outcome])
    expect(await disagreements(lane.database.sql, lane.caddy.adminUrl), what).toEqual([])
  }

  async function killRecoveryEverywhere(): Promise<void> {
    await lane.database.sql`truncate gateway_commits`
    const subject = await lane.subject(operation)
    await lane.run(operation, subject, { point: 'commit.after-intent' })
    for (const point of OF_RECOVERY) {
      await lane.passDeadlines()
      await lane.run('recover', subject, { point })
    }
    await lane.recover()
    expect(await outcomes()).toEqual(['committed'])
    expect(await look(lane, subject)).toBe(after.committed)
    expect(await disagreements(lane.database.sql, lane.caddy.adminUrl)).toEqual([])
  }

  // One after the other, since they share a gateway; the operations run side by side.
  test('killed at any step, and recovery too: one outcome, and the gateway serves it', async () => {
    for (const point of FAILPOINTS) await killAt(point, false)
    for (const point of WITHOUT_GATEWAY) await killAt(point, true)
    if (RECOVERED.includes(operation)) await killRecoveryEverywhere()
  }, 240_000)
})
