import type { Db } from '#db/client'
import type { Drift } from '#db/schema/gateway'
import { recordAudit } from '#infra/audit'
import type { Clock } from '#lib/clock'
import type { CaddyAdmin } from './caddy'
import { type DesiredGateway, renderServer, revisionOf } from './desired'
import { driftOf } from './drift'
import * as drifts from './drift-repository'
import { GatewayUnknown } from './errors'
import type { Pusher } from './pusher'

/** The system itself, or the admin who asked. */
type ActorId = `usr_${string}` | null

export interface Reconciliation {
  missing: number
  stale: number
  orphan: number
  drifts: Drift[]
}

/** Compares the gateways with the database, says what differs, and mends it. */
export class Reconciler {
  private readonly gateways: { id: string; admin: CaddyAdmin }[]

  constructor(
    private readonly db: Db,
    gateways: CaddyAdmin[],
    private readonly loadDesired: () => Promise<DesiredGateway>,
    private readonly pusher: Pusher,
    private readonly clock: Clock,
  ) {
    this.gateways = gateways.map((admin, index) => ({ id: `gateway-${index + 1}`, admin }))
  }

  /** The gateways as they are now, each with its last comparison. */
  async list() {
    const wanted = revisionOf(renderServer(await this.loadDesired()))
    const found = await drifts.listDrift(this.db)
    return Promise.all(
      this.gateways.map(async ({ id, admin }) => {
        const [reading, version] = await Promise.all([
          admin.readServer().catch(() => null),
          admin.version(),
        ])
        const revision = reading?.server ? revisionOf(reading.server) : null
        const last = found.find(({ gatewayId }) => gatewayId === id)
        return {
          ...{ id, url: admin.url, isUp: reading !== null, version, revision },
          isInSync: revision === wanted,
          checkedAt: last?.checkedAt.toISOString() ?? null,
          drifts: last?.total ?? 0,
        }
      }),
    )
  }

  /** What the last comparison that found any drift found. */
  async drift(id: string) {
    this.gateway(id)
    const row = (await drifts.listDrift(this.db)).find(({ gatewayId }) => gatewayId === id)
    const { missing = 0, stale = 0, orphan = 0, total = 0 } = row ?? {}
    return {
      checkedAt: row?.checkedAt.toISOString() ?? null,
      driftedAt: row?.driftedAt?.toISOString() ?? null,
      ...{ missing, stale, orphan, total, drifts: row?.drifts ?? [] },
    }
  }

  /** @throws GatewayFailure when the gateway cannot be read, or does not take what it lacks */
  async reconcile(
    id: string,
    { dryRun, actorId = null }: { dryRun: boolean; actorId?: ActorId },
  ): Promise<Reconciliation & { healed: boolean }> {
    const { admin } = this.gateway(id)
    const found = counted(await this.compare(admin))
    if (dryRun) return { ...found, healed: false }
    const isDrifted = found.drifts.length > 0
    if (isDrifted) await this.pusher.push()
    const at = this.clock.now()
    await this.db.transaction(async (tx) => {
      await drifts.saveDrift(tx, id, found, at)
      if (!isDrifted) return
      const { drifts: _, ...details } = found
      await recordAudit(tx, { actorId, action: 'gateway.healed', subjectId: id, details, at })
    })
    return { ...found, healed: isDrifted }
  }

  /** For the job: every gateway that answers. */
  async reconcileAll() {
    const sum = { missing: 0, stale: 0, orphan: 0, failed: 0 }
    for (const { id } of this.gateways) {
      const found = await this.reconcile(id, { dryRun: false }).catch(() => null)
      if (found === null) sum.failed++
      else for (const kind of ['missing', 'stale', 'orphan'] as const) sum[kind] += found[kind]
    }
    return sum
  }

  private gateway(id: string) {
    const gateway = this.gateways.find((one) => one.id === id)
    if (!gateway) throw new GatewayUnknown(id)
    return gateway
  }

  /** A change on its way looks like drift: what counts was there twice, with no change open. */
  private async compare(admin: CaddyAdmin): Promise<Drift[]> {
    const first = await this.look(admin)
    if (first.length === 0) return []
    const second = new Set((await this.look(admin)).map(nameOf))
    return first.filter((drift) => second.has(nameOf(drift)))
  }

  private async look(admin: CaddyAdmin): Promise<Drift[]> {
    const changing = await drifts.changingApis(this.db)
    const { server } = await admin.readServer()
    const { apis, keyHeader } = await this.loadDesired()
    for (const id of await drifts.changingApis(this.db)) changing.add(id)
    const found = driftOf(apis, server, keyHeader)
    if (changing.size === 0) return found
    const owner = new Map(apis.flatMap(({ id, keyIds }) => keyIds.map((key) => [`key_${key}`, id])))
    return found.filter(({ subjectId }) => !changing.has(owner.get(subjectId) ?? subjectId))
  }
}

const nameOf = ({ kind, subjectId }: Drift): string => `${kind} ${subjectId}`

function counted(found: Drift[]): Reconciliation {
  const count = (kind: Drift['kind']) => found.filter((drift) => drift.kind === kind).length
  return {
    missing: count('missing'),
    stale: count('stale'),
    orphan: count('orphan'),
    drifts: found,
  }
}
