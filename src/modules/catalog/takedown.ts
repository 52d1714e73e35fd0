import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { parseId } from '#lib/id'
import type { Coordinator } from '#modules/gateway'
import { ApiUnknown, WrongApiStatus } from './errors'
import { API_TAKEDOWN } from './gateway-participants'
import type { Api } from './repository'
import * as catalog from './repository'
import { apiView } from './views'

/** What an admin does about an API that must not be offered. */
export class TakedownService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly coordinator: Coordinator,
    private readonly gatewayUrl: string,
  ) {}

  /** Off the gateway when this returns, until an admin lifts it. Asking again changes nothing. */
  async takeDown(actor: Actor, id: string, reason: string) {
    const api = await this.find(id)
    const prepare = (status: Api['status']) => (tx: Db) =>
      this.move(tx, actor, api, status, API_TAKEDOWN, { reason })
    if (api.status === 'draft') await this.db.transaction(prepare('taken_down'))
    else if (api.status === 'published')
      await this.coordinator.run({
        ...{ kind: API_TAKEDOWN, subjectId: api.id, apiId: api.id },
        prepare: prepare('unpublishing'),
      })
    else if (api.status !== 'taken_down')
      throw new WrongApiStatus(api.id, api.status, 'a draft or published')
    return apiView(await this.find(id), this.gatewayUrl)
  }

  /** A draft again, which its provider may publish. */
  async lift(actor: Actor, id: string) {
    const api = await this.find(id)
    if (api.status !== 'taken_down') throw new WrongApiStatus(api.id, api.status, 'taken down')
    await this.db.transaction((tx) => this.move(tx, actor, api, 'draft', 'api.takedown-lifted'))
    return apiView(await this.find(id), this.gatewayUrl)
  }

  private async find(id: string): Promise<Api> {
    const known = parseId('api', id)
    const api = known && (await catalog.findApi(this.db, known))
    if (!api) throw new ApiUnknown(id)
    return api
  }

  private async move(
    tx: Db,
    { userId: actorId }: Actor,
    { id, status: from }: Api,
    status: Api['status'],
    action: `api.${string}`,
    details: Record<string, unknown> = {},
  ): Promise<void> {
    const at = this.clock.now()
    if (!(await catalog.moveStatus(tx, id, from, { status, updatedAt: at })))
      throw new WrongApiStatus(id, 'changing', from)
    await recordAudit(tx, { actorId, action, subjectId: id, details, at })
  }
}
