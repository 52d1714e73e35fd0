import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '#infra/logger'
import { backoffMs } from '#lib/backoff'
import type { AtFailpoint } from '#lib/failpoint'
import type { CaddyAdmin } from './caddy'
import { type DesiredGateway, renderServer, revisionOf } from './desired'
import { GatewayRefused, GatewayUnavailable } from './errors'

const RETRY = { baseMs: 50, capMs: 1_000 }

export interface PushReport {
  /** SHA-256 of the configuration that every gateway now serves. */
  revision: string
  /** Writes that were needed; 0 when all gateways had it already. */
  writes: number
}

interface Round {
  promise: Promise<PushReport>
}

/**
 * Brings the gateways to what the database says. Whoever asks while a push is running joins the next
 * one (group commit): any write makes Caddy provision its whole configuration anew, so two hundred
 * changes at once must not cost two hundred writes.
 *
 * The gateway is read *before* the database, and the write carries the ETag of that reading: had
 * anyone written in between, Caddy answers 412 and all is read again. So the last write always
 * comes from a database state at least as new as the one it replaces, with any number of replicas.
 */
export class Pusher {
  private running: Round | null = null
  private waiting: Round | null = null

  constructor(
    private readonly gateways: CaddyAdmin[],
    private readonly loadDesired: () => Promise<DesiredGateway>,
    private readonly logger: Logger,
    /** How long one push may try, in milliseconds. */
    private readonly patienceMs: number,
    private readonly reached: AtFailpoint = () => undefined,
  ) {}

  /** Resolves when a configuration read from the database after this call is served everywhere. */
  push(): Promise<PushReport> {
    if (!this.running) return this.start()
    this.waiting ??= { promise: this.running.promise.then(this.next, this.next) }
    return this.waiting.promise
  }

  private readonly next = (): Promise<PushReport> => {
    this.waiting = null
    return this.start()
  }

  private start(): Promise<PushReport> {
    const promise = this.pushAll().finally(() => {
      if (this.running?.promise === promise) this.running = null
    })
    this.running = { promise }
    return promise
  }

  private async pushAll(): Promise<PushReport> {
    const reports = await Promise.all(this.gateways.map((gateway) => this.bring(gateway)))
    const revision = reports.at(-1)?.revision ?? ''
    return { revision, writes: reports.reduce((sum, report) => sum + report.writes, 0) }
  }

  private async bring(gateway: CaddyAdmin): Promise<PushReport> {
    const giveUpAt = performance.now() + this.patienceMs
    for (let attempt = 1, writes = 0, late = false; ; attempt++) {
      const step = await this.tryOnce(gateway, !late)
      if (step.wrote) writes++
      if (step.kind === 'served') return { revision: step.revision, writes }
      if (step.kind === 'refused') throw new GatewayRefused(gateway.url, step.reason)
      this.logger.warn(
        { gateway: gateway.url, attempt, reason: step.reason },
        'gateway.push-retried',
      )
      const isPast = performance.now() > giveUpAt
      // What became of the last write is worth one more look, but not another write.
      if (late || (isPast && !step.wrote)) throw new GatewayUnavailable(gateway.url, step.reason)
      late = isPast
      await delay(backoffMs(RETRY, attempt, Math.random()))
    }
  }

  /** Read, decide, write; a write is believed only when the next reading shows it. */
  private async tryOnce(gateway: CaddyAdmin, mayWrite: boolean): Promise<Step> {
    try {
      const { server, etag } = await gateway.readServer()
      const desired = renderServer(await this.loadDesired())
      const revision = revisionOf(desired)
      if (server && revisionOf(server) === revision)
        return { kind: 'served', revision, wrote: false }
      if (!mayWrite) return { kind: 'again', reason: 'no answer in time', wrote: false }
      await this.reached('push.before-write')
      const outcome = await gateway.writeServer(desired, etag)
      if (outcome.kind === 'refused')
        return { kind: 'refused', reason: outcome.reason, wrote: true }
      if (outcome.kind === 'applied') return await this.readBack(gateway, revision)
      const reason = 'reason' in outcome ? outcome.reason : 'somebody else wrote first'
      return { kind: 'again', reason, wrote: true }
    } catch (error) {
      return { kind: 'again', reason: String(error), wrote: false }
    }
  }

  private async readBack(gateway: CaddyAdmin, revision: string): Promise<Step> {
    const { server } = await gateway.readServer()
    await this.reached('push.read-back')
    if (server && revisionOf(server) === revision) return { kind: 'served', revision, wrote: true }
    return { kind: 'again', reason: 'the gateway serves something else', wrote: true }
  }
}

type Step =
  | { kind: 'served'; revision: string; wrote: boolean }
  | { kind: 'refused' | 'again'; reason: string; wrote: boolean }
