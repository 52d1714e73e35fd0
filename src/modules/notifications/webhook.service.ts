import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { newId, parseId } from '#lib/id'
import { type OutboundPolicy, outboundRefusal, portOf } from '#lib/outbound'
import { type PageRequest, toPage } from '#lib/page'
import {
  WebhookDeliveryUnknown,
  WebhookEndpointOff,
  WebhookEndpointsFull,
  WebhookEndpointUnknown,
  WebhookUrlRefused,
} from './errors'
import type { EndpointInput, EndpointUpdate } from './schemas'
import { deliveryView, endpointView } from './views'
import type { Endpoint } from './webhook.repository'
import * as webhooks from './webhook.repository'
import type { WebhookSecrets } from './webhook-secrets'

const MOST_ENDPOINTS = 10
/** Not in the list of events: only a test sends it, and every endpoint takes it. */
const TEST_TYPE = 'webhook.test'

/** What users do with endpoints of their own and with what was sent there. */
export class WebhookService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly secrets: WebhookSecrets,
    private readonly policy: OutboundPolicy,
  ) {}

  async list(actor: Actor, page: PageRequest) {
    const rows = await webhooks.listEndpoints(this.db, actor.userId, page)
    const { items, nextCursor } = toPage(rows, page.limit)
    return { items: items.map(endpointView), nextCursor }
  }

  async get(actor: Actor, id: string) {
    return endpointView(await this.own(actor, id))
  }

  /** Adds an endpoint; its secret is in this answer and nowhere else. */
  async create(actor: Actor, { url, description = '', events = null }: EndpointInput) {
    const { secret, columns } = this.secrets.create()
    const id = newId('whe', this.clock)
    const now = this.clock.now()
    const row = {
      ...{ id, userId: actor.userId, url: this.checkUrl(url), description, events, ...columns },
      ...{ createdAt: now, updatedAt: now },
    }
    await this.db.transaction(async (tx) => {
      const endpoints = await webhooks.countEndpoints(tx, actor.userId)
      if (endpoints >= MOST_ENDPOINTS) throw new WebhookEndpointsFull(MOST_ENDPOINTS)
      await webhooks.insertEndpoint(tx, row)
      await this.audit(tx, actor, 'webhook-endpoint.created', id)
    })
    return { ...(await this.get(actor, id)), secret }
  }

  /** Changes what is given. Switched on again, an endpoint has its days of failures behind it. */
  async update(actor: Actor, id: string, { url, status, ...rest }: EndpointUpdate) {
    const endpoint = await this.own(actor, id)
    const isSwitched = status !== undefined && status !== endpoint.status
    const set = {
      ...rest,
      ...(url !== undefined && { url: this.checkUrl(url) }),
      ...(isSwitched && {
        ...{ status, disabledReason: status === 'disabled' ? ('owner' as const) : null },
        failingSince: null,
      }),
      updatedAt: this.clock.now(),
    }
    await this.db.transaction(async (tx) => {
      await webhooks.updateEndpoint(tx, endpoint.id, set)
      await this.audit(tx, actor, 'webhook-endpoint.updated', endpoint.id)
    })
    return this.get(actor, id)
  }

  async delete(actor: Actor, id: string): Promise<void> {
    const endpoint = await this.own(actor, id)
    await this.db.transaction(async (tx) => {
      await webhooks.deleteEndpoint(tx, endpoint.id)
      await this.audit(tx, actor, 'webhook-endpoint.deleted', endpoint.id)
    })
  }

  /** A new secret; for a day messages are signed with the old one too. */
  async rotateSecret(actor: Actor, id: string) {
    const endpoint = await this.own(actor, id)
    const now = this.clock.now()
    const { secret, columns } = this.secrets.rotate(endpoint, now)
    await this.db.transaction(async (tx) => {
      await webhooks.updateEndpoint(tx, endpoint.id, { ...columns, updatedAt: now })
      await this.audit(tx, actor, 'webhook-endpoint.secret-rotated', endpoint.id)
    })
    return { ...(await this.get(actor, id)), secret }
  }

  /** Sends a message that says only that it is a test. */
  async test(actor: Actor, id: string) {
    const endpoint = await this.own(actor, id)
    requireOn(endpoint)
    const now = this.clock.now()
    const row = {
      ...{ id: newId('whd', this.clock), endpointId: endpoint.id, type: TEST_TYPE },
      messageId: newId('evt', this.clock),
      body: JSON.stringify({
        ...{ type: TEST_TYPE, timestamp: now.toISOString(), data: { endpointId: endpoint.id } },
      }),
      createdAt: now,
    }
    return deliveryView(await this.db.transaction((tx) => webhooks.insertDelivery(tx, row)))
  }

  async deliveries(actor: Actor, id: string, page: PageRequest) {
    const endpoint = await this.own(actor, id)
    const rows = await webhooks.listDeliveries(this.db, endpoint.id, page)
    const { items, nextCursor } = toPage(rows, page.limit)
    return { items: items.map(deliveryView), nextCursor }
  }

  /** Sends a message again, at once and with new patience, whatever became of it. */
  async retry(actor: Actor, id: string) {
    const known = parseId('whd', id)
    const found = known && (await webhooks.findDelivery(this.db, known))
    if (found?.endpoint.userId !== actor.userId) throw new WebhookDeliveryUnknown(id)
    requireOn(found.endpoint)
    const { delivery } = found
    return deliveryView(await this.db.transaction((tx) => webhooks.reviveDelivery(tx, delivery.id)))
  }

  private async own(actor: Actor, id: string): Promise<Endpoint> {
    const known = parseId('whe', id)
    const endpoint = known && (await webhooks.findEndpoint(this.db, known))
    if (endpoint?.userId !== actor.userId) throw new WebhookEndpointUnknown(id)
    return endpoint
  }

  /** Refused at once where the address shows it; what a name leads to is checked at each delivery. */
  private checkUrl(text: string): string {
    const url = URL.parse(text)
    if (!url || !/^https?:$/.test(url.protocol))
      throw new WebhookUrlRefused('use an https:// address')
    if (url.protocol === 'http:' && !this.policy.allowPrivate)
      throw new WebhookUrlRefused('use an https:// address, since messages are not for everybody')
    if (url.username || url.password || url.hash)
      throw new WebhookUrlRefused('leave user name, password and fragment out')
    const refusal = outboundRefusal(url.hostname, portOf(url), this.policy)
    if (refusal !== null) throw new WebhookUrlRefused(refusal)
    return url.href
  }

  private audit(tx: Db, actor: Actor, action: `webhook-endpoint.${string}`, subjectId: string) {
    return recordAudit(tx, { actorId: actor.userId, action, subjectId, at: this.clock.now() })
  }
}

function requireOn({ id, status }: Endpoint): void {
  if (status === 'disabled') throw new WebhookEndpointOff(id)
}
