import type { Logger } from '#infra/logger'
import type { AtFailpoint } from '#lib/failpoint'
import type { CaddyAdmin } from './caddy'
import type { DesiredGateway } from './desired'
import { GatewayUnavailable } from './errors'
import { type GatewayReport, GatewayWriter } from './gateway-writer'

export interface PushReport extends GatewayReport {
  /** Gateways that were away and are passed over until they are back; they are brought up to date then. */
  down: string[]
}

/** A gateway that was away has so long to show that it is back. */
const PING_MS = 500

interface Round {
  promise: Promise<PushReport>
}

/**
 * Brings the gateways to what the database says. Whoever asks while a push is running joins the next
 * one (group commit): any write makes Caddy provision its whole configuration anew, so two hundred
 * changes at once must not cost two hundred writes.
 */
export class Pusher {
  private running: Round | null = null
  private waiting: Round | null = null
  private readonly down = new Set<CaddyAdmin>()

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

  /** All that are up must take it. @throws GatewayFailure when one of them does not, or none is up */
  private async pushAll(): Promise<PushReport> {
    const reports: GatewayReport[] = []
    const failures: unknown[] = []
    const attempts = this.gateways.map((gateway) =>
      this.bring(gateway).then(
        (report) => reports.push(report),
        (failure) => failures.push(failure),
      ),
    )
    await Promise.all(attempts)
    const fatal = failures.find((failure) => reports.length === 0 || !isDown(failure))
    if (fatal !== undefined) throw fatal
    return {
      revision: reports[0]?.revision ?? '',
      writes: reports.reduce((sum, report) => sum + report.writes, 0),
      refused: new Map(reports.flatMap((report) => [...report.refused])),
      down: [...this.down].map(({ url }) => url),
    }
  }

  /** A gateway that is away is waited for once; then the others' changes do not wait for it. */
  private async bring(gateway: CaddyAdmin): Promise<GatewayReport> {
    const { loadDesired, logger, reached, patienceMs } = this
    const { url } = gateway
    const wasDown = this.down.has(gateway)
    try {
      if (wasDown && this.gateways.length > 1 && !(await gateway.ping(PING_MS)))
        throw new GatewayUnavailable(url, 'it is still away', true)
      const writer = new GatewayWriter({ gateway, loadDesired, logger, reached })
      const report = await writer.bring(patienceMs)
      if (this.down.delete(gateway)) logger.info({ gateway: url }, 'gateway.back')
      return report
    } catch (error) {
      if (isDown(error) && !wasDown) {
        this.down.add(gateway)
        logger.error({ gateway: url }, 'gateway.down')
      }
      throw error
    }
  }
}

const isDown = (failure: unknown): boolean =>
  failure instanceof GatewayUnavailable && failure.isDown
