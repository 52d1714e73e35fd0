import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '#infra/logger'
import { backoffMs } from '#lib/backoff'
import type { AtFailpoint } from '#lib/failpoint'
import { type CaddyAdmin, CaddyUnreadable, type ServerReading } from './caddy'
import type { CaddyServer } from './config-types'
import { type DesiredGateway, renderServer, revisionOf } from './desired'
import { GatewayRefused, GatewayUnavailable } from './errors'
import { UnrenderableApi } from './route-api'
import { servedLeaves } from './served'
import type { TreeLeaf } from './tree'

const RETRY = { baseMs: 50, capMs: 1_000 }
/** Well below the deadline of a change: what was read longer ago may since have been settled by others. */
const FRESH_MS = 10_000

export interface GatewayReport {
  /** SHA-256 of the configuration that the gateway now serves. */
  revision: string
  /** Writes that were needed; 0 when it had it already. */
  writes: number
  /** APIs that it does not take, and why; it goes on with what it served of them. */
  refused: ReadonlyMap<string, string>
}

export interface WriterOptions {
  gateway: CaddyAdmin
  loadDesired: () => Promise<DesiredGateway>
  logger: Logger
  reached: AtFailpoint
}

/**
 * Brings one gateway to what the database says, once.
 *
 * The gateway is read *before* the database, and the write carries the ETag of that reading: had
 * anyone written in between, Caddy answers 412 and all is read again. So the last write always
 * comes from a database state at least as new as the one it replaces, with any number of replicas.
 */
export class GatewayWriter {
  private writes = 0
  private readonly refused = new Map<string, string>()

  constructor(private readonly options: WriterOptions) {}

  /**
   * @param patienceMs how long it tries, in milliseconds; 0 for a single attempt
   * @throws GatewayRefused
   * @throws GatewayUnavailable
   */
  async bring(patienceMs: number): Promise<GatewayReport> {
    const { logger } = this.options
    const { url } = this.options.gateway
    const giveUpAt = performance.now() + patienceMs
    for (let attempt = 1, late = false; ; attempt++) {
      const before = this.writes
      const step = await this.tryOnce(!late)
      if (step.kind === 'served')
        return { revision: step.revision, writes: this.writes, refused: this.refused }
      if (step.kind === 'refused') throw new GatewayRefused(url, step.reason)
      logger.warn({ gateway: url, attempt, reason: step.reason }, 'gateway.push-retried')
      const isPast = performance.now() > giveUpAt
      // What became of the last write is worth one more look, but not another write.
      if (late || (isPast && this.writes === before))
        throw new GatewayUnavailable(url, step.reason, step.isDown)
      late = isPast
      await delay(backoffMs(RETRY, attempt, Math.random()))
    }
  }

  /** Read, decide, write; a write is believed only when the next reading shows it. */
  private async tryOnce(mayWrite: boolean): Promise<Step> {
    try {
      let plan = await this.plan('recall')
      // Others may have changed what a version stands for; what is written replaces that, too.
      if (plan.isServed && plan.isRecalled && !isServing(await this.read(), plan.revision))
        plan = await this.plan('read')
      if (plan.isServed) return { kind: 'served', revision: plan.revision }
      if (!mayWrite) return again('it does not serve what it was given')
      const outcome = await this.write(plan)
      if (outcome.kind === 'refused') return await this.isolate(outcome.reason)
      if (outcome.kind === 'applied')
        // An empty gateway looks like it did before somebody else filled it and it was emptied: look anew.
        return plan.server ? await this.readBack(plan.revision) : await this.tryOnce(false)
      return again('reason' in outcome ? outcome.reason : 'somebody else wrote first')
    } catch (error) {
      return again(String(error), error instanceof CaddyUnreadable)
    }
  }

  private read(): Promise<ServerReading> {
    return this.options.gateway.readServer()
  }

  private recall(): Promise<ServerReading> {
    return this.options.gateway.recallServer()
  }

  /** What the gateway would have to serve now; with `only`, nothing new of any other API. */
  private async plan(look: 'read' | 'recall', only?: readonly string[]): Promise<Plan> {
    const readAt = performance.now()
    const reading = await this[look]()
    const { server } = reading
    const desired = await this.options.loadDesired()
    const heldBack = only ? desired.apis.map(({ id }) => id).filter((id) => !only.includes(id)) : []
    const rendered = this.render(desired, server, heldBack)
    const revision = revisionOf(rendered)
    const isServed = isServing(reading, revision)
    return { ...reading, desired, rendered, revision, isServed, readAt }
  }

  private render(
    desired: DesiredGateway,
    server: CaddyServer | null,
    heldBack: readonly string[],
  ): CaddyServer {
    for (;;) {
      const ids = [...this.refused.keys(), ...heldBack]
      const leaves = ids.length > 0 ? servedLeaves(server) : new Map<string, TreeLeaf>()
      const kept = new Map(ids.map((id) => [id, leaves.get(id) ?? null]))
      try {
        return renderServer(desired, kept)
      } catch (error) {
        if (!(error instanceof UnrenderableApi) || kept.has(error.apiId)) throw error
        this.refused.set(error.apiId, error.message)
      }
    }
  }

  private async write({ rendered, etag, readAt }: Plan) {
    const { gateway, reached } = this.options
    await reached('push.before-write')
    // Of a process that was stopped, nothing of before is written.
    if (performance.now() - readAt > FRESH_MS)
      return { kind: 'held-up', reason: 'held up between reading and writing' } as const
    this.writes++
    return gateway.writeServer(rendered, etag)
  }

  private async readBack(revision: string): Promise<Step> {
    const reading = await this.recall()
    await this.options.reached('push.read-back')
    if (isServing(reading, revision)) return { kind: 'served', revision }
    return again('the gateway serves something else')
  }

  /**
   * Caddy refused the whole. Finds by halving one API whose change it refuses, so that the neighbours'
   * changes get through; the next attempt goes on without that one.
   */
  private async isolate(reason: string): Promise<Step> {
    const suspects = changedApis(await this.plan('read'))
    if (suspects.length === 0 || !(await this.takes([]))) return { kind: 'refused', reason }
    let good = 0
    let bad = suspects.length
    while (bad - good > 1) {
      const middle = Math.floor((good + bad) / 2)
      if (await this.takes(suspects.slice(0, middle))) good = middle
      else bad = middle
    }
    for (const id of suspects.slice(good, bad)) this.refused.set(id, reason)
    return again(`an API is refused: ${reason}`)
  }

  /** Whether it takes what is new of these alone; what has joined meanwhile waits for the next attempt. */
  private async takes(only: readonly string[]): Promise<boolean> {
    const plan = await this.plan('read', only)
    if (plan.isServed) return true
    const { kind } = await this.write(plan)
    if (kind === 'applied' || kind === 'refused') return kind === 'applied'
    throw new Error('the gateway changed while a refused API was looked for')
  }
}

interface Plan extends ServerReading {
  desired: DesiredGateway
  rendered: CaddyServer
  revision: string
  isServed: boolean
  /** Monotonic, in milliseconds. */
  readAt: number
}

type Step =
  | { kind: 'served'; revision: string }
  | { kind: 'refused'; reason: string }
  | { kind: 'again'; reason: string; isDown: boolean }

const isServing = ({ server }: ServerReading, revision: string): boolean =>
  server !== null && revisionOf(server) === revision

const again = (reason: string, isDown = false): Step => ({ kind: 'again', reason, isDown })

/** APIs that the gateway does not serve yet as the database has them. */
function changedApis({ desired, server, rendered }: Plan): string[] {
  const [before, after] = [servedLeaves(server), servedLeaves(rendered)]
  return desired.apis
    .map(({ id }) => id)
    .filter((id) => revisionOf(before.get(id)) !== revisionOf(after.get(id)))
}
