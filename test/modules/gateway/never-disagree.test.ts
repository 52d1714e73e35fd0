import { afterAll, beforeAll, expect, test } from 'vitest'
import { syncGateway } from '#app/background'
import type { Container } from '#app/container'
import type { Actor } from '#lib/access'
import { AppError } from '#lib/errors'
import type { Id } from '#lib/id'
import { type Fault, type FaultProxy, startFaultProxy } from '#test/fault-proxy'
import { disagreements } from '#test/gateway-agreement'
import { seedSubscription } from '#test/seed'
import { CommitLane } from './commit-lane'

let lane: CommitLane
let proxy: FaultProxy

beforeAll(async () => {
  lane = await CommitLane.start()
  proxy = await startFaultProxy(lane.caddy.adminUrl)
})
afterAll(async () => {
  await lane.stop()
  await proxy.stop()
})

/** Mulberry32: the same seed gives the same story. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Subject {
  apiId: Id<'api'>
  subscriptionId: string
  keys: string[]
  owner: Actor
  consumer: Actor
}

const actorOf = (userId: Actor['userId']): Actor => ({ userId, sessionId: 'ses_0', roles: [] })

async function subjects(count: number): Promise<Subject[]> {
  const found: Subject[] = []
  for (let n = 0; n < count; n++) {
    const { apiId, ownerId, userId, ...seeded } = await seedSubscription(lane.database.db)
    await lane.database.sql`
      insert into api_allowed_methods values (${apiId.slice(4)}, 'GET')`
    const { subscriptionId, keyId } = seeded
    const [owner, consumer] = [actorOf(ownerId), actorOf(userId)]
    found.push({ apiId, subscriptionId, keys: [keyId], owner, consumer })
  }
  return found
}

type Step = (container: Container, subject: Subject, next: () => number) => Promise<unknown>

const OPERATIONS: Step[] = [
  ({ catalog }, { owner, apiId }) => catalog.publish(owner, apiId),
  ({ catalog }, { owner, apiId }) => catalog.unpublish(owner, apiId),
  async ({ catalog }, { owner, apiId }, next) => {
    const { version } = await catalog.get(owner, apiId)
    const upstreamUrl = `http://127.0.0.1:${1 + Math.floor(next() * 9)}`
    const slug = `slug-${Math.floor(next() * 20)}`
    return catalog.update(owner, apiId, version, { upstreamUrl, slug })
  },
  ({ takedowns }, { owner, apiId }) => takedowns.takeDown(owner, apiId, 'a test'),
  ({ takedowns }, { owner, apiId }) => takedowns.lift(owner, apiId),
  async ({ keys }, { consumer, subscriptionId, keys: known }) => {
    const { id } = await keys.create(consumer, { subscriptionId, name: 'another' })
    known.push(id)
  },
  async ({ keys }, { consumer, keys: known }, next) =>
    keys.revoke(consumer, known[Math.floor(next() * known.length)] ?? ''),
]

const FAULTS: Fault[] = ['reset-before', 'apply-then-reset']

/** What befalls the gateway while changes are on their way. */
async function trouble(next: () => number): Promise<void> {
  const chance = next()
  const server = `${lane.caddy.adminUrl}/config/apps/http/servers/veil`
  if (chance < 0.4) proxy.inject(FAULTS[Math.floor(next() * 2)] ?? 'none', Math.ceil(next() * 6))
  else if (chance < 0.55) await fetch(server, { method: 'DELETE', keepalive: false })
  else if (chance < 0.7)
    await fetch(`${server}/keep_alive_interval`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: String(Math.ceil(next() * 1e9)),
      keepalive: false,
    })
  else if (chance < 0.75) await lane.caddy.restart()
}

test.each([1, 2, 3])(
  'whatever happens, database and gateway agree when it is over (seed %i)',
  async (seed) => {
    const next = random(seed)
    const replicas = [1, 2].map(() => lane.container({ adminUrls: [proxy.url], patienceMs: 150 }))
    const all = await subjects(6)
    let done = 0
    for (let round = 0; round < 6; round++) {
      const changes = Array.from({ length: 10 }, async () => {
        const pick = <T>(from: readonly T[]) => from[Math.floor(next() * from.length)] as T
        const operation = pick(OPERATIONS)(pick(replicas), pick(all), next)
        await operation.then(
          () => done++,
          (error: unknown) => {
            if (!(error instanceof AppError)) throw error
          },
        )
      })
      await Promise.all([...changes, trouble(next)])
    }
    proxy.inject('none')
    expect(done).toBeGreaterThan(15)
    await lane.passDeadlines()
    await syncGateway(lane.container())
    expect(await disagreements(lane.database.sql, lane.caddy.adminUrl)).toEqual([])
    const quiet = await lane.container().reconciler.reconcile('gateway-1', { dryRun: true })
    expect(quiet).toEqual({ missing: 0, stale: 0, orphan: 0, drifts: [], healed: false })
  },
  30_000,
)
