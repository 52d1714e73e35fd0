import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '#lib/errors'
import { type AtFailpoint, FAILPOINTS, type Failpoint } from '#lib/failpoint'
import { type Fault, type FaultProxy, startFaultProxy } from '#test/fault-proxy'
import { disagreements } from '#test/gateway-agreement'
import { CommitLane } from './commit-lane'
import { OPERATIONS, perform, type Shown } from './operations'

/** Faults of single writes that a change survives: it is tried again, or read back. */
const SURVIVED: Fault[] = ['reset-before', 'apply-then-reset', 'stall', 'slow']
/** Faults of all writes; the change is put back, or kept where it was shown already. */
const LASTING: [Fault, string][] = [
  ['stall', 'gateway_unavailable'],
  ['refuse', 'gateway_refused'],
]
/** A reload takes a process of its own; what it does to Caddy is the same as a restart, at fewer steps. */
const RELOADED: Failpoint[] = ['push.before-write', 'push.answered', 'commit.after-outcome']
/** Seen by its owner, so that it stands whatever the gateway does. */
const KEPT = ['create-key', 'revoke-key']

/** Does something once, when that step is reached; the change waits for it. */
function once(point: Failpoint, work: () => unknown): AtFailpoint {
  let isDone = false
  return async (reached) => {
    if (reached !== point || isDone) return
    isDone = true
    await work()
  }
}

describe.concurrent.each(OPERATIONS)('%s', (operation) => {
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

  const change = async (
    options: Parameters<CommitLane['container']>[0] = {},
  ): Promise<Shown & { code?: string }> => {
    await lane.database.sql`truncate gateway_commits`
    const subject = await lane.subject(operation)
    const adminUrls = [proxy.url]
    const container = lane.container({ adminUrls, adminCallTimeoutMs: 1_000, ...options })
    return perform(container, operation, subject).catch((error: unknown) => {
      if (error instanceof AppError) return { code: error.code }
      throw error
    })
  }

  const outcomes = async () =>
    (await lane.database.sql`select state from gateway_commits`).map(({ state }) => state)

  /** One outcome, which both sides have; a key that was shown is among those that work. */
  async function settled(what: string, shown: Shown, outcome?: string): Promise<void> {
    await lane.recover()
    expect(await outcomes(), what).toEqual([outcome ?? expect.any(String)])
    expect(await disagreements(lane.database.sql, lane.caddy.adminUrl), what).toEqual([])
    if (shown.key === undefined) return
    const [row] = await lane.database.sql`
      select status from api_keys where id = ${shown.key.split('_')[1] ?? ''}`
    expect(row, what).toEqual({ status: 'active' })
  }

  async function wipedAt(points: readonly Failpoint[], trouble: 'restart' | 'reload') {
    for (const point of points) {
      const what = `T3: ${trouble} at ${point}`
      const reached = once(point, () => lane.caddy[trouble]())
      const shown = await change({ reached, patienceMs: 20_000, adminCallTimeoutMs: 8_000 })
      expect(shown.code, what).toBeUndefined()
      await settled(what, shown, 'committed')
    }
  }

  async function awayFromEveryStepOn(): Promise<void> {
    for (const point of FAILPOINTS) {
      const reached = once(point, () => proxy.takeAway())
      const shown = await change({ reached, patienceMs: 100 })
      proxy.bringBack()
      await settled(`T3: away from ${point} on`, shown)
    }
  }

  async function oneFault(fault: Fault): Promise<void> {
    proxy.inject(fault)
    const shown = await change({ patienceMs: 20_000 })
    expect(shown.code, fault).toBeUndefined()
    await settled(`T7: of one write: ${fault}`, shown, 'committed')
  }

  async function lastingFault(fault: Fault, code: string): Promise<void> {
    proxy.inject(fault, 1_000)
    const shown = await change({ patienceMs: 100 })
    proxy.inject('none')
    expect(shown.code, fault).toBe(KEPT.includes(operation) ? undefined : code)
    await settled(`T7, T8: of every write: ${fault}`, shown, 'rolled_back')
  }

  // One after the other, since they share a gateway; the operations run side by side.
  test('T3, T6, T7, T8: whatever befalls Caddy at any step: one outcome, on both sides', async () => {
    await wipedAt(FAILPOINTS, 'restart')
    await wipedAt(RELOADED, 'reload')
    await awayFromEveryStepOn()
    for (const fault of SURVIVED) await oneFault(fault)
    for (const [fault, code] of LASTING) await lastingFault(fault, code)
  }, 120_000)
})
