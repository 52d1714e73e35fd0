import type { Static } from '@sinclair/typebox'
import { API_STATUSES, HTTP_METHODS } from '#db/schema/catalog'
import { NAME_PATTERN, oneOf, PageQuery, pageOf, strict, t } from '#infra/http'
import { PlanView } from '#modules/pricing'

export const Slug = t.String({
  pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  description: 'lower-case letters, digits and inner hyphens, at most 63',
  examples: ['weather'],
})
const Name = t.String({
  pattern: NAME_PATTERN,
  maxLength: 100,
  description: 'a name without control characters',
  examples: ['Weather'],
})
const Description = t.String({ maxLength: 5000, examples: ['Forecasts for every place on Earth.'] })
const CategorySlug = t.String({ maxLength: 63, description: 'Slug of a category.' })
const Methods = t.Array(oneOf(HTTP_METHODS), {
  minItems: 1,
  uniqueItems: true,
  examples: [['GET', 'POST']],
})
const UpstreamUrl = t.String({
  maxLength: 500,
  examples: ['https://api.example.com/v1'],
  description: 'http:// or https:// address; a path in it is put before the path of the call.',
})
const RequiredHeader = strict({
  name: t.String({
    pattern: '^[A-Za-z][A-Za-z0-9-]{0,63}$',
    description: 'a header name: letters, digits and hyphens',
    examples: ['X-Tenant'],
  }),
  value: t.Optional(
    t.Union(
      [t.String({ pattern: '^[\\x21-\\x7e]([\\x20-\\x7e]{0,198}[\\x21-\\x7e])?$' }), t.Null()],
      {
        description: 'The value it must have; any value when left out.',
      },
    ),
  ),
})
const RequiredHeaders = t.Array(RequiredHeader, { maxItems: 20 })

export const ApiBody = strict(
  {
    name: Name,
    slug: Slug,
    upstreamUrl: UpstreamUrl,
    description: t.Optional(Description),
    category: t.Optional(t.Union([CategorySlug, t.Null()])),
    methods: t.Optional(Methods),
    requiredHeaders: t.Optional(RequiredHeaders),
  },
  {
    $id: 'ApiInput',
    examples: [
      {
        name: 'Weather',
        slug: 'weather',
        upstreamUrl: 'https://api.example.com/v1',
        description: 'Forecasts for every place on Earth.',
        methods: ['GET', 'POST'],
        requiredHeaders: [{ name: 'X-Tenant' }],
      },
    ],
  },
)
export type ApiInput = Static<typeof ApiBody>

export const ApiUpdateBody = strict(
  {
    name: t.Optional(Name),
    slug: t.Optional(Slug),
    upstreamUrl: t.Optional(UpstreamUrl),
    description: t.Optional(Description),
    category: t.Optional(t.Union([CategorySlug, t.Null()])),
    methods: t.Optional(Methods),
    requiredHeaders: t.Optional(RequiredHeaders),
  },
  {
    $id: 'ApiUpdate',
    examples: [{ description: 'Forecasts and warnings.', methods: ['GET'] }],
  },
)
export type ApiUpdate = Static<typeof ApiUpdateBody>

const Instant = t.String({ format: 'date-time' })

const LISTING = {
  id: t.String({ examples: ['api_0192f7a0c1d47c3e8f00a1b2c3d4e5f6'] }),
  slug: t.String(),
  name: t.String(),
  description: t.String(),
  category: t.Union([t.String(), t.Null()]),
  methods: t.Array(t.String()),
  requiredHeaders: t.Array(t.Object({ name: t.String(), value: t.Union([t.String(), t.Null()]) })),
  url: t.String({ description: 'Where the gateway serves it.' }),
  publishedAt: t.Union([Instant, t.Null()]),
  createdAt: Instant,
}

/** What the provider sees of an API. */
export const ApiView = t.Object(
  {
    ...LISTING,
    upstreamUrl: t.String(),
    status: oneOf(API_STATUSES),
    version: t.Integer({ description: 'Also the ETag; send it as If-Match with a change.' }),
    updatedAt: Instant,
  },
  { $id: 'Api' },
)

/** What everybody sees of a published API. */
export const ListingView = t.Object(
  { ...LISTING, provider: t.String({ description: 'Name of the provider.' }) },
  { $id: 'Listing' },
)
export const ListingDetailView = t.Object(
  { ...ListingView.properties, plans: t.Array(PlanView) },
  { $id: 'ListingDetail' },
)

export const ApiPage = pageOf(ApiView)
export const ListingPage = pageOf(ListingView)

export const ListingQuery = t.Object({
  ...PageQuery,
  search: t.Optional(t.String({ maxLength: 200, description: 'Words in name, slug or text.' })),
  category: t.Optional(t.String({ maxLength: 63, description: 'Slug of a category.' })),
})
export type ListingRequest = Static<typeof ListingQuery>

export const CategoryBody = strict(
  { slug: Slug, name: Name, description: t.Optional(t.String({ maxLength: 1000 })) },
  {
    $id: 'CategoryInput',
    examples: [{ slug: 'nature', name: 'Nature', description: 'Weather, water and earth.' }],
  },
)
export type CategoryInput = Static<typeof CategoryBody>

export const CategoryView = t.Object(
  { id: t.String(), slug: t.String(), name: t.String(), description: t.String() },
  { $id: 'Category' },
)

export const MarketplaceCategoryView = t.Object(
  { ...CategoryView.properties, apis: t.Integer({ description: 'Published APIs in it.' }) },
  { $id: 'MarketplaceCategory' },
)

export const ApiParams = t.Object({ id: t.String({ description: 'Id of an API.' }) })
export const SlugParams = t.Object({ slug: t.String({ description: 'Slug of an API.' }) })
export const CategoryParams = t.Object({ id: t.String({ description: 'Id of a category.' }) })
