import type { Db } from '#db/client'
import { violates } from '#db/errors'
import { recordAudit } from '#infra/audit'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { type Id, newId, parseId } from '#lib/id'
import type { OutboundPolicy } from '#lib/outbound'
import { type PageRequest, toPage } from '#lib/page'
import { type Coordinator, wouldPutBack } from '#modules/gateway'
import type { PricingService } from '#modules/pricing'
import {
  ApiHasSubscribers,
  ApiUnknown,
  CategoryUnknown,
  NoPlans,
  RequiredHeaderRefused,
  SlugReserved,
  SlugTaken,
  VersionConflict,
  WrongApiStatus,
} from './errors'
import { API_DELETE, API_PUBLISH, API_UNPUBLISH, API_UPDATE } from './gateway-participants'
import type { Api } from './repository'
import * as catalog from './repository'
import type { ApiInput, ApiUpdate } from './schemas'
import { checkUpstream } from './upstream'
import { apiView } from './views'

/** First path segments that the gateway may need for itself one day. */
const RESERVED_SLUGS = ['gateway', 'health', 'swagger', 'veil', 'well-known']

/** What a provider does with APIs of their own. */
export class CatalogService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly coordinator: Coordinator,
    private readonly pricing: PricingService,
    private readonly outboundPolicy: OutboundPolicy,
    private readonly gatewayUrl: string,
  ) {}

  async list(actor: Actor, page: PageRequest) {
    const rows = await catalog.listOwned(this.db, actor.userId, page)
    const { items, nextCursor } = toPage(rows, page.limit)
    return { items: items.map((api) => apiView(api, this.gatewayUrl)), nextCursor }
  }

  async get(actor: Actor, id: string) {
    return apiView(await this.own(actor, id), this.gatewayUrl)
  }

  async create(actor: Actor, input: ApiInput) {
    const { slug, name, description = '', methods = ['GET'], requiredHeaders = [] } = input
    requireDistinctHeaders(requiredHeaders)
    const now = this.clock.now()
    const row = {
      ...{ slug, name, description },
      id: newId('api', this.clock),
      ownerId: actor.userId,
      upstreamUrl: checkUpstream(input.upstreamUrl, this.outboundPolicy),
      categoryId: await this.categoryId(input.category),
      createdAt: now,
      updatedAt: now,
    }
    const parts = { methods, requiredHeaders: requiredHeaders.map(withValue) }
    await this.withSlug(slug, (claim) =>
      this.db.transaction(async (tx) => {
        await catalog.insertApi(tx, row, parts)
        await claim(tx)
      }),
    )
    return this.get(actor, row.id)
  }

  /** Edits an API; when it is published, the gateway takes the change or nothing changes. */
  async update(actor: Actor, id: string, version: number, input: ApiUpdate) {
    const api = await this.own(actor, id)
    if (api.version !== version) throw new VersionConflict(api.id, version)
    requireDistinctHeaders(input.requiredHeaders)
    const { category, upstreamUrl, methods, requiredHeaders, ...texts } = input
    const set = {
      ...texts,
      ...(upstreamUrl !== undefined && {
        upstreamUrl: checkUpstream(upstreamUrl, this.outboundPolicy),
      }),
      ...(category !== undefined && { categoryId: await this.categoryId(category) }),
      updatedAt: this.clock.now(),
    }
    const parts = {
      methods: methods ?? api.methods,
      requiredHeaders: requiredHeaders?.map(withValue) ?? api.requiredHeaders,
    }
    const isOffline = api.status === 'draft' || api.status === 'taken_down'
    const write = async (db: Db) => {
      // A draft that is being published meanwhile must not change behind the gateway's back.
      const expected = { version, ...(isOffline && { status: api.status }) }
      if (!(await catalog.updateApi(db, api.id, expected, set, parts)))
        throw new VersionConflict(api.id, version)
    }
    await this.withSlug(input.slug === api.slug ? undefined : input.slug, async (claim) => {
      const prepare = async (tx: Db) => {
        await write(tx)
        await claim(tx)
      }
      if (isOffline) await this.db.transaction(prepare)
      else
        await this.coordinator.run({
          ...{ kind: API_UPDATE, subjectId: api.id, apiId: api.id },
          ...{ undo: undoOf(api), prepare },
        })
    })
    return this.get(actor, api.id)
  }

  /**
   * For writing an API under a slug of its own. `claim` comes after the write, in its transaction: a slug
   * that was just given up is free only when the gateway has taken that change.
   */
  private async withSlug(
    slug: string | undefined,
    work: (claim: (tx: Db) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    if (slug === undefined) return work(() => Promise.resolve())
    if (RESERVED_SLUGS.includes(slug)) throw new SlugReserved(slug)
    try {
      await work(async (tx) => {
        if (await wouldPutBack(tx, { set: { slug } })) throw new SlugTaken(slug)
      })
    } catch (error) {
      if (violates(error, 'apis_slug_unique')) throw new SlugTaken(slug)
      throw error
    }
  }

  async publish(actor: Actor, id: string) {
    const api = await this.own(actor, id)
    if (api.status === 'published') return apiView(api, this.gatewayUrl)
    if (api.status !== 'draft') throw new WrongApiStatus(api.id, api.status, 'a draft')
    if ((await this.pricing.plansOf(api.id)).length === 0) throw new NoPlans(api.id)
    await this.change(actor, api, API_PUBLISH, 'publishing')
    return this.get(actor, api.id)
  }

  async unpublish(actor: Actor, id: string) {
    const api = await this.own(actor, id)
    if (api.status === 'draft') return apiView(api, this.gatewayUrl)
    if (api.status !== 'published') throw new WrongApiStatus(api.id, api.status, 'published')
    await this.change(actor, api, API_UNPUBLISH, 'unpublishing')
    return this.get(actor, api.id)
  }

  /** Deletes an API that nobody ever subscribed to; a published one leaves the gateway first. */
  async delete(actor: Actor, id: string): Promise<void> {
    const api = await this.own(actor, id)
    if (api.status === 'draft') {
      await this.db.transaction(async (tx) => {
        await this.move(tx, api, 'draft')
        await this.requireNoSubscriptions(tx, api.id)
        await catalog.deleteApi(tx, api.id)
        await this.audit(tx, actor, 'api.deleted', api.id)
      })
      return
    }
    if (api.status !== 'published') throw new WrongApiStatus(api.id, api.status, 'published')
    await this.change(actor, api, API_DELETE, 'unpublishing')
  }

  /** The API by its id, if it is the actor's: someone else's does not exist for them. */
  async own(actor: Actor, id: string): Promise<Api> {
    const known = parseId('api', id)
    const api = known && (await catalog.findApi(this.db, known))
    if (api?.ownerId !== actor.userId) throw new ApiUnknown(id)
    return api
  }

  private change(
    actor: Actor,
    api: Api,
    kind: typeof API_PUBLISH | typeof API_UNPUBLISH | typeof API_DELETE,
    status: 'publishing' | 'unpublishing',
  ): Promise<void> {
    return this.coordinator.run({
      kind,
      subjectId: api.id,
      apiId: api.id,
      prepare: async (tx) => {
        await this.move(tx, api, status)
        // The row is locked now, so that nobody can subscribe between the question and the deed.
        if (kind === API_DELETE) await this.requireNoSubscriptions(tx, api.id)
        await this.audit(tx, actor, kind, api.id)
      },
    })
  }

  /** From the status that was read; whoever came in between has done it, or is about to. */
  private async move(tx: Db, { id, status: from }: Api, status: Api['status']): Promise<void> {
    if (!(await catalog.moveStatus(tx, id, from, { status, updatedAt: this.clock.now() })))
      throw new WrongApiStatus(id, 'changing', from)
  }

  private async requireNoSubscriptions(db: Db, id: Api['id']): Promise<void> {
    if (await catalog.hasSubscriptions(db, id)) throw new ApiHasSubscribers(id)
  }

  private audit(db: Db, actor: Actor, action: `api.${string}`, subjectId: string): Promise<void> {
    return recordAudit(db, { actorId: actor.userId, action, subjectId, at: this.clock.now() })
  }

  private async categoryId(slug: string | null | undefined): Promise<Id<'cat'> | null> {
    if (slug === null || slug === undefined) return null
    const category = await catalog.findCategory(this.db, { slug })
    if (!category) throw new CategoryUnknown(slug)
    return category.id
  }
}

/** Names of headers know no case (RFC 9110 §5.1); the gateway deletes what begins with X-Veil-. */
function requireDistinctHeaders(headers: { name: string }[] = []): void {
  const seen = new Set<string>()
  for (const [index, { name }] of headers.entries()) {
    const key = name.toLowerCase()
    if (key.startsWith('x-veil-')) throw new RequiredHeaderRefused(name, index, 'reserved')
    if (seen.has(key)) throw new RequiredHeaderRefused(name, index, 'twice')
    seen.add(key)
  }
}

const withValue = ({ name, value }: { name: string; value?: string | null }) => ({
  name,
  value: value ?? null,
})

/** What the gateway would have to go back to. */
const undoOf = ({ methods, requiredHeaders, ...api }: Api) => ({
  set: {
    ...{ name: api.name, slug: api.slug, description: api.description },
    ...{ categoryId: api.categoryId, upstreamUrl: api.upstreamUrl },
  },
  parts: { methods, requiredHeaders },
})
