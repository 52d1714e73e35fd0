import type { VeilProcess } from './veil-process.ts'

const APIS = 10
const CONSUMERS = 10
const PASSWORD = 'correct horse battery staple'

/** A provider with ten APIs to which ten consumers have subscribed, as seen by one of these. */
export interface ReadMarket {
  provider: string
  consumer: string
  apiId: string
  subscriptionId: string
  keyId: string
}

/** What of the answers is needed, each field of those that have it. */
interface Posted {
  id: string
  accessToken: string
  subscription: { id: string }
  apiKey: { id: string }
}

/** Made over HTTP, as users would. */
export async function openMarket(veil: VeilProcess): Promise<ReadMarket> {
  const post = async (path: string, token: string | null, body: unknown): Promise<Posted> => {
    const authorization = token === null ? {} : { authorization: `Bearer ${token}` }
    const answer = await fetch(`${veil.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...authorization },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as Posted
  }
  const register = async (name: string, role: string): Promise<string> => {
    const body = { email: `${name}@bench.test`, password: PASSWORD, name, roles: [role] }
    return (await post('/auth/register', null, body)).accessToken
  }
  const provider = await register('provider', 'provider')
  const apis: { id: string; slug: string; planId: string }[] = []
  for (let n = 0; n < APIS; n++) {
    const api = { name: `API ${n}`, slug: `bench-${n}`, upstreamUrl: 'http://127.0.0.1:9' }
    const { id } = await post('/provider/apis', provider, api)
    const { id: planId } = await post(`/provider/apis/${id}/plans`, provider, { template: 'pro' })
    await post(`/provider/apis/${id}/publish`, provider, undefined)
    apis.push({ id, slug: api.slug, planId })
  }
  const subscribe = async (name: string) => {
    const token = await register(name, 'consumer')
    const made: Posted[] = []
    for (const { slug, planId } of apis)
      made.push(await post('/subscriptions', token, { api: slug, planId }))
    return { token, first: made[0] as Posted }
  }
  const { token: consumer, first } = await subscribe('consumer-0')
  for (let n = 1; n < CONSUMERS; n++) await subscribe(`consumer-${n}`)
  return {
    ...{ provider, consumer, apiId: apis[0]?.id ?? '' },
    ...{ subscriptionId: first.subscription.id, keyId: first.apiKey.id },
  }
}
