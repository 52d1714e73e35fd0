import type { Api } from './repository'

function listing(api: Api, gatewayUrl: string) {
  const { id, slug, name, description, category, methods, requiredHeaders } = api
  return {
    ...{ id, slug, name, description, category, methods, requiredHeaders },
    url: `${gatewayUrl}/${slug}`,
    publishedAt: api.publishedAt?.toISOString() ?? null,
    createdAt: api.createdAt.toISOString(),
  }
}

export function apiView(api: Api, gatewayUrl: string) {
  const { upstreamUrl, status, version } = api
  return {
    ...listing(api, gatewayUrl),
    ...{ upstreamUrl, status, version },
    updatedAt: api.updatedAt.toISOString(),
  }
}

export const listingView = (api: Api, gatewayUrl: string) => ({
  ...listing(api, gatewayUrl),
  provider: api.provider,
})
