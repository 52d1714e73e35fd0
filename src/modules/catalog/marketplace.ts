import type { Db } from '#db/client'
import { type PageRequest, toPage } from '#lib/page'
import type { PricingService } from '#modules/pricing'
import { ApiUnknown } from './errors'
import type { Api } from './repository'
import * as catalog from './repository'
import { listingView } from './views'

/** What everybody may browse: published APIs and their categories. */
export class MarketplaceService {
  constructor(
    private readonly db: Db,
    private readonly pricing: PricingService,
    private readonly gatewayUrl: string,
  ) {}

  async list(filter: catalog.ListingFilter, page: PageRequest) {
    const rows = await catalog.listPublished(this.db, filter, page)
    const { items, nextCursor } = toPage(rows, page.limit)
    return { items: items.map((api) => listingView(api, this.gatewayUrl)), nextCursor }
  }

  async detail(slug: string) {
    const api = await this.published(slug)
    const plans = await this.pricing.plansOf(api.id)
    return { ...listingView(api, this.gatewayUrl), plans }
  }

  async published(slug: string): Promise<Api> {
    const api = await catalog.findPublished(this.db, slug)
    if (!api) throw new ApiUnknown(slug)
    return api
  }

  categories() {
    return catalog.countByCategory(this.db)
  }
}
