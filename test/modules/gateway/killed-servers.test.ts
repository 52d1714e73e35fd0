import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseApiKey } from '#lib/api-key'
import { FAILPOINTS, type Failpoint } from '#lib/failpoint'
import { disagreements } from '#test/gateway-agreement'
import { OwnPostgres } from '#test/own-postgres'
import { CommitLane, type Operation } from './commit-lane'
import type { Shown } from './operations'

/** One in each phase; the operation that shows something passes all of them. */
const PHASES: Failpoint[] = ['commit.after-intent', 'push.answered', 'commit.before-outcome']

let postgres: OwnPostgres
let lane: CommitLane
beforeAll(async () => {
  postgres = await OwnPostgres.start()
  lane = await CommitLane.start(async () => postgres.open())
})
afterAll(async () => {
  await lane.stop()
  await postgres.stop()
})

async function killPostgres(): Promise<void> {
  await lane.database.close()
  await postgres.killAndStart()
  lane.database = postgres.open()
}

const killBoth = () => Promise.all([killPostgres(), lane.caddy.restart()])

/** The row of a key that somebody was shown has its secret, and is in force. */
async function requireAlive({ key }: Shown): Promise<void> {
  if (key === undefined) return
  const parsed = parseApiKey(key)
  const [row] = await lane.database.sql`
    select status, encode(secret_hash, 'hex') as hash from api_keys where id = ${parsed?.id ?? ''}`
  const hash = createHash('sha256')
    .update(parsed?.secret ?? '')
    .digest('hex')
  expect(row).toEqual({ status: 'active', hash })
}

test.each<[string, Operation, readonly Failpoint[], () => Promise<unknown>]>([
  ['Postgres', 'publish', PHASES, killPostgres],
  ['Postgres and Caddy', 'create-key', FAILPOINTS, killBoth],
  ['Postgres', 'unpublish', PHASES, killPostgres],
  ['Postgres and Caddy', 'delete', PHASES, killBoth],
  ['Postgres', 'update', PHASES, killPostgres],
  ['Postgres and Caddy', 'rotate-key', PHASES, killBoth],
  ['Postgres', 'revoke-key', PHASES, killPostgres],
])(
  'T3: %s killed at the steps of %s: database and gateway agree, and no key shown is dead',
  async (_servers, operation, points, kill) => {
    for (const point of points) {
      await lane.database.sql`truncate gateway_commits`
      const subject = await lane.subject(operation)
      const stopped = await lane.runUntil(point, operation, subject)
      await kill()
      const { shown } = await stopped.goOn()
      await lane.recover()
      const states = await lane.database.sql`select state from gateway_commits`
      expect(states.length, point).toBe(point === 'commit.before-intent' ? 0 : 1)
      expect(await disagreements(lane.database.sql, lane.caddy.adminUrl), point).toEqual([])
      await requireAlive(shown ?? {})
    }
  },
  120_000,
)
