import { askOk } from '#test/request'
import type { ClientKey } from './clients'

export interface SoldKey extends ClientKey {
  id: string
  subscriptionId: string
  /** Statuses from 200 to this one cost something under its plan. */
  billableTo: number
}

const UNLIMITED = { template: 'pro', rateLimits: [], quota: null }
const PLANS = {
  success: { ...UNLIMITED, slug: 'success' },
  everything: { ...UNLIMITED, slug: 'everything', billableStatuses: [{ from: 200, to: 599 }] },
  /** 10 calls a second, 1,000 a month: most calls are refused. */
  free: { template: 'free', slug: 'free' },
}
type PlanName = keyof typeof PLANS

/** Whose key is for which API and plan; the second name of `ada` is another key of the same subscription. */
const SALES: { names: string[]; slug: string; plan: PlanName }[] = [
  { names: ['ada', 'ada-2'], slug: 'tides', plan: 'success' },
  { names: ['bob'], slug: 'tides', plan: 'everything' },
  { names: ['cem'], slug: 'quakes', plan: 'success' },
  { names: ['dea'], slug: 'quakes', plan: 'free' },
]

/** Two APIs with three plans each, and five keys of four subscriptions, made over HTTP. */
export async function openShop(url: string, upstreamUrl: string): Promise<SoldKey[]> {
  const post = (path: string, token?: string, body?: unknown) =>
    askOk(`${url}${path}`, 'POST', { token, body })
  const account = async (name: string, role: string): Promise<string> => {
    const credentials = { email: `${name}@example.com`, password: 'correct horse battery staple' }
    const body = { ...credentials, name, roles: [role] }
    return (await post('/auth/register', undefined, body)).accessToken
  }
  const provider = await account('pat', 'provider')

  const publish = async (slug: string): Promise<Record<string, string>> => {
    const { id } = await post('/provider/apis', provider, { name: slug, slug, upstreamUrl })
    const planIds: Record<string, string> = {}
    for (const [name, plan] of Object.entries(PLANS))
      planIds[name] = (await post(`/provider/apis/${id}/plans`, provider, plan)).id
    await post(`/provider/apis/${id}/publish`, provider)
    return planIds
  }
  const plans: Record<string, Record<string, string>> = {
    tides: await publish('tides'),
    quakes: await publish('quakes'),
  }

  const sold: SoldKey[] = []
  for (const { names, slug, plan } of SALES) {
    const consumer = await account(names.join('-and-'), 'consumer')
    const { subscription, apiKey } = await post('/subscriptions', consumer, {
      ...{ api: slug, planId: plans[slug]?.[plan] },
    })
    const subscriptionId: string = subscription.id
    const keys = [apiKey]
    for (const name of names.slice(1))
      keys.push(await post('/api-keys', consumer, { subscriptionId, name }))
    names.forEach((name, index) => {
      const { id, key } = keys[index]
      const billableTo = plan === 'everything' ? 599 : 399
      sold.push({ name, slug, key, id, subscriptionId, billableTo })
    })
  }
  return sold
}
