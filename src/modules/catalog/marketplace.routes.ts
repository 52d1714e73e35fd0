import { pageRequest, RouteGroup, t } from '#infra/http'
import type { MarketplaceService } from './marketplace'
import {
  ListingDetailView,
  ListingPage,
  ListingQuery,
  MarketplaceCategoryView,
  SlugParams,
} from './schemas'

export const marketplaceRoutes = (marketplace: MarketplaceService) =>
  new RouteGroup('/marketplace', 'Marketplace')
    .get(
      '/apis',
      {
        permission: 'public',
        summary: 'Browse and search published APIs, newest first',
        query: ListingQuery,
        response: ListingPage,
        problems: [400],
      },
      ({ query }) => marketplace.list(query, pageRequest(query, 'api')),
    )
    .get(
      '/apis/:slug',
      {
        permission: 'public',
        summary: 'A published API with its plans',
        params: SlugParams,
        response: ListingDetailView,
      },
      ({ params }) => marketplace.detail(params.slug),
    )
    .get(
      '/categories',
      {
        permission: 'public',
        summary: 'Categories with the number of published APIs',
        response: t.Array(MarketplaceCategoryView),
      },
      () => marketplace.categories(),
    )
