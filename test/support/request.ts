import type { Answer, RequestOptions } from './veil'

export type { Answer, RequestOptions } from './veil'

/** One JSON request over a connection of its own. */
export async function ask(
  url: string,
  method: string,
  { token, body, headers }: RequestOptions = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    keepalive: false,
    signal: AbortSignal.timeout(15_000),
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text && JSON.parse(text) }
}

/** Like `ask`, but throws unless it succeeds. */
export async function askOk(
  url: string,
  method: string,
  options: RequestOptions = {},
): Promise<Answer['body']> {
  const { status, body } = await ask(url, method, options)
  if (status >= 300) throw new Error(`${method} ${url}: ${status} ${JSON.stringify(body)}`)
  return body
}

export interface SoldApi {
  slug: string
  /** The consumer's, for the gateway. */
  key: string
  subscriptionId: string
  consumerToken: string
}

/** A provider's published API and a consumer's key for it, made over HTTP as anybody would. */
export async function sellApi(url: string, slug: string, upstreamPort: number): Promise<SoldApi> {
  const post = (path: string, token?: string, body?: unknown) =>
    askOk(`${url}${path}`, 'POST', { token, body })
  const account = (role: string) =>
    post('/auth/register', undefined, {
      ...{ email: `${role}-${slug}@example.com`, password: 'correct horse battery staple' },
      ...{ name: role, roles: [role] },
    })
  const [{ accessToken: provider }, { accessToken: consumer }] = await Promise.all([
    account('provider'),
    account('consumer'),
  ])
  const upstreamUrl = `http://127.0.0.1:${upstreamPort}`
  const { id } = await post('/provider/apis', provider, { name: slug, slug, upstreamUrl })
  const plan = await post(`/provider/apis/${id}/plans`, provider, { template: 'pro' })
  await post(`/provider/apis/${id}/publish`, provider)
  const { subscription, apiKey } = await post('/subscriptions', consumer, {
    ...{ api: slug, planId: plan.id },
  })
  return { slug, key: apiKey.key, subscriptionId: subscription.id, consumerToken: consumer }
}
