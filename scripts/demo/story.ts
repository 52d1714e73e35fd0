import { createHmac, randomBytes } from 'node:crypto'
import { expectEqual, expectThat, expectWithin } from './checks.ts'
import { type Answer, Client, expectStatus, send } from './client.ts'
import { tellOfMoney } from './money.ts'
import type { Narrator } from './narrator.ts'
import type { SeenCall, Upstream } from './upstream.ts'

interface Stage {
  /** Address of the REST API. */
  url: string
  upstream: Upstream
  narrator: Narrator
  /** With it the story runs the jobs that make invoices; null where nobody knows it. */
  adminPassword: string | null
}

interface ListedApi {
  id: string
  slug: string
  /** Where the gateway serves it. */
  url: string
}

interface Subscribed {
  id: string
  keyId: string
  key: string
}

const TENANT = { 'x-tenant': 'acme' }

/** The whole story, told by real requests; throws at the first thing that is not as it should be. */
export async function tellStory({ url, upstream, narrator, adminPassword }: Stage): Promise<void> {
  const anyone = new Client(url)
  const mark = randomBytes(4).toString('hex')
  const slug = `weather-${mark}`
  const tell = narrator.asked.bind(narrator)

  const register = async (name: string, role: 'provider' | 'consumer'): Promise<Client> => {
    const email = `${name.toLowerCase()}-${mark}@example.com`
    const account = { email, name, password: randomBytes(12).toString('base64url'), roles: [role] }
    const answer = await anyone.ask('POST', '/auth/register', account, 201)
    expectEqual('roles', answer.user.roles, [role])
    tell(`POST /auth/register  ${email}`, `201, ${name} is a ${role} and signed in`)
    return anyone.as(answer.accessToken)
  }

  const provider = await narrator.step('A provider registers', () => register('Paula', 'provider'))

  const draft = await narrator.step('She lists an API: GET only, X-Tenant required', async () => {
    const body = {
      slug,
      name: `Weather ${mark}`,
      description: 'Forecasts for every place on Earth.',
      upstreamUrl: upstream.url,
      methods: ['GET'],
      requiredHeaders: [{ name: 'X-Tenant' }],
    }
    const api = await provider.ask('POST', '/provider/apis', body, 201)
    expectEqual('status', api.status, 'draft')
    tell(`POST /provider/apis  ${slug} → ${upstream.url}`, `201, a draft: ${short(api.id)}`)
    return api
  })

  const plans = await narrator.step('She adds plans from the templates', async () => {
    const add = async (plan: Record<string, unknown>) => {
      const made = await provider.ask('POST', `/provider/apis/${draft.id}/plans`, plan, 201)
      tell(`POST …/plans  ${JSON.stringify(plan)}`, `201, ${describePlan(made)}`)
      return made
    }
    const free = await add({ template: 'free' })
    const pro = await add({ template: 'pro' })
    const taste = await add({ template: 'free', slug: 'taste', quota: { limit: 3, hard: true } })
    return { free, pro, taste }
  })

  const api: ListedApi = await narrator.step('She publishes it', async () => {
    const before = await send(`${draft.url}/forecast`)
    expectStatus('a call before it is published', before, 404, 'unknown_api')
    const published = await provider.ask('POST', `/provider/apis/${draft.id}/publish`)
    expectEqual('status', published.status, 'published')
    const after = await send(`${published.url}/forecast`, { headers: TENANT })
    expectStatus('a call at once afterwards', after, 401, 'key_missing')
    tell(`POST …/publish`, `200, the gateway serves it already: ${published.url}`)
    return published
  })

  await narrator.step('Anyone finds it on the marketplace', async () => {
    const { items } = await anyone.ask('GET', `/marketplace/apis?search=${mark}`)
    expectEqual('slugs found', slugsOf(items), [slug])
    const detail = await anyone.ask('GET', `/marketplace/apis/${slug}`)
    expectThat('no upstream address', !('upstreamUrl' in detail), 'absent', detail.upstreamUrl)
    const names = detail.plans.map((plan: { slug: string }) => plan.slug)
    expectEqual('plans', names.sort(), ['free', 'pro', 'taste'])
    tell(`GET /marketplace/apis?search=${mark}`, `200, ${slug} with the plans ${names.join(', ')}`)
  })

  const subscribe = async (who: Client, plan: { id: string; slug: string }) => {
    const body = { planId: plan.id }
    const path = `/marketplace/apis/${slug}/subscribe`
    const { subscription, apiKey } = await who.ask('POST', path, body, 201)
    expectEqual('status', subscription.status, 'active')
    tell(`POST ${path}  ${plan.slug}`, `201, active; the key, shown once: ${short(apiKey.key)}`)
    return { id: subscription.id, keyId: apiKey.id, key: apiKey.key } satisfies Subscribed
  }

  const consumer = await narrator.step('A consumer registers', () => register('Carl', 'consumer'))
  const pro = await narrator.step('He subscribes to the plan pro', async () => {
    const subscription = await subscribe(consumer, plans.pro)
    const kept = await consumer.ask('GET', `/api-keys/${subscription.keyId}`)
    const isHidden = !JSON.stringify(kept).includes(subscription.key)
    expectThat('the key when asked again', isHidden, 'hidden', kept)
    tell('GET /api-keys/{id}', `200, only the last four characters: …${kept.lastFour}`)
    return subscription
  })

  const forecast = `${api.url}/forecast?city=Paris`
  const call = (key: string, init: RequestInit = {}): Promise<Answer> =>
    send(forecast, { ...init, headers: { ...TENANT, 'x-api-key': key, ...init.headers } })

  await narrator.step('His calls pass and reach the upstream', async () => {
    upstream.calls.length = 0
    const answer = await call(pro.key)
    expectStatus('the call', answer, 200)
    expectEqual('the answer', answer.body, { forecast: 'sunny', degrees: 21 })
    const [seen] = upstream.calls
    expectEqual('what the upstream was asked', seen?.target, '/v1/forecast?city=Paris')
    const leaked = JSON.stringify(seen?.headers).includes(pro.key)
    expectThat('the key at the upstream', !leaked, 'not there', seen?.headers)
    tell(`GET ${forecast}  X-API-Key: ${short(pro.key)}`, `200 ${JSON.stringify(answer.body)}`)
    narrator.note(`RateLimit: ${answer.headers.get('ratelimit')}`)
    narrator.note(`The upstream saw ${seen?.method} ${seen?.target}, and no key.`)
    const bearer = { ...TENANT, authorization: `Bearer ${pro.key}` }
    expectStatus('a call by bearer', await send(forecast, { headers: bearer }), 200)
    tell(`GET …  Authorization: Bearer ${short(pro.key)}`, '200')
  })

  await narrator.step('Everything else is refused at the gateway', async () => {
    upstream.calls.length = 0
    const refused = async (what: string, answer: Promise<Answer>, status: number, code: string) => {
      const { body, headers } = await answer
      expectStatus(what, { status: (await answer).status, body, headers }, status, code)
      const type = headers.get('content-type')
      expectEqual(`media type of ${what}`, type, 'application/problem+json')
      tell(what, `${status} ${code}`)
      return headers
    }
    const wrong = `${pro.key.slice(0, -7)}${pro.key.at(-7) === 'A' ? 'B' : 'A'}${pro.key.slice(-6)}`
    await refused('no key', send(forecast, { headers: TENANT }), 401, 'key_missing')
    await refused('a wrong key', call(wrong), 401, 'key_not_accepted')
    const other = await refused(
      'POST',
      call(pro.key, { method: 'POST' }),
      405,
      'method_not_allowed',
    )
    expectEqual('Allow', other.get('allow'), 'GET')
    const bare = send(forecast, { headers: { 'x-api-key': pro.key } })
    await refused('no X-Tenant', bare, 400, 'missing_required_header')
    expectEqual('calls that reached the upstream', upstream.calls.length, 0)
  })

  await narrator.step('Usage, quota and running cost show the calls', async () => {
    const path = `/subscriptions/${pro.id}/usage`
    const { answer, milliseconds } = await expectWithin(
      2_000,
      `GET ${path}`,
      '2 calls',
      () => consumer.ask('GET', path),
      (usage) => usage.calls === 2,
    )
    expectEqual('billable units', answer.units, 2)
    expectEqual('quota used', answer.quota.used, 2)
    expectEqual('quota left', answer.quota.remaining, plans.pro.quota.limit - 2)
    expectEqual('running cost', answer.cost.total, plans.pro.flatFee)
    const { used, limit } = answer.quota
    tell(
      `GET ${path.replace(pro.id, short(pro.id))}`,
      `200 after ${milliseconds.toFixed(0)} ms: ${answer.calls} calls, quota ${used} of ${limit}, ${money(answer.cost)} so far`,
    )
    for (const line of answer.cost.lines) narrator.note(`${line.description}: ${line.explain}`)
  })

  await narrator.step(
    'Paula sees her operations, Carl takes his calls home as a file',
    async () => {
      const path = `/provider/apis/${api.id}/operations`
      const { items } = await provider.ask('GET', path)
      expectEqual('operations', items.length, 1)
      const [{ operation, calls, errorRate, latencyMs }] = items
      expectEqual('calls of the operation', calls, 2)
      tell(
        `GET ${path.replace(api.id, '{id}')}`,
        `200, ${operation}: ${calls} calls, errors ${100 * errorRate} %, p50 ${latencyMs.p50} ms, p99 ${latencyMs.p99} ms`,
      )
      const file: string = await consumer.ask('GET', `/usage/export?subscriptionId=${pro.id}`)
      const [head = '', ...lines] = file.trimEnd().split('\r\n')
      expectEqual('lines of the file', lines.length, 2)
      tell('GET /usage/export?format=csv', `200, ${lines.length} calls: ${head}`)
    },
  )

  await narrator.step('A hard quota ends: Tess has 3 calls', async () => {
    const tess = await register('Tess', 'consumer')
    const { key, id } = await subscribe(tess, plans.taste)
    for (const nth of [1, 2, 3]) expectStatus(`call ${nth}`, await call(key), 200)
    tell('3 calls', '200, 200, 200')
    const fourth = await call(key)
    expectStatus('the fourth call', fourth, 429, 'quota_exhausted')
    const wait = Number(fourth.headers.get('retry-after'))
    expectThat('Retry-After', wait > 0, 'seconds until the next period', wait)
    const left = fourth.headers.get('ratelimit') ?? ''
    expectThat('RateLimit', left.includes('"quota";r=0'), '"quota";r=0', left)
    tell('a fourth', `429 quota_exhausted, Retry-After: ${wait} s (the next period)`)
    narrator.note(`RateLimit: ${left}`)
    const { answer } = await expectWithin(
      2_000,
      'the quota',
      'nothing left',
      () => tess.ask('GET', `/subscriptions/${id}/usage`),
      ({ quota }) => quota.remaining === 0,
    )
    expectEqual('her cost on a free plan', answer.cost.total, 0)
  })

  await narrator.step('A rate limit bounds a burst: Finn has 10 calls a second', async () => {
    const finn = await register('Finn', 'consumer')
    const { key } = await subscribe(finn, plans.free)
    const answers = await Promise.all(Array.from({ length: 30 }, () => call(key)))
    const passed = answers.filter(({ status }) => status === 200)
    const limited = answers.filter(({ body }) => body.code === 'rate_limited')
    const others = answers.filter((answer) => !passed.includes(answer) && !limited.includes(answer))
    expectEqual(
      'answers that are neither 200 nor 429 rate_limited',
      others.map(({ status, body }) => `${status} ${body?.code}`),
      [],
    )
    expectThat('calls that pass', passed.length >= 10, 'at least 10', passed.length)
    const [first] = limited
    expectThat('calls that are refused', first !== undefined, 'at least 1', limited.length)
    const wait = first?.headers.get('retry-after')
    expectEqual('Retry-After', wait, '1')
    tell('30 calls at once', `${passed.length} pass, ${limited.length} × 429 rate_limited`)
    narrator.note(`Retry-After: ${wait}   RateLimit: ${first?.headers.get('ratelimit')}`)
  })

  const hook = await narrator.step('Carl asks to be told of revoked keys', async () => {
    const body = { url: `${upstream.url}/hook`, events: ['key.revoked'] }
    const endpoint = await consumer.ask('POST', '/webhooks/endpoints', body, 201)
    expectThat('the secret', endpoint.secret.startsWith('whsec_'), 'whsec_…', endpoint.secret)
    tell(`POST /webhooks/endpoints  ${body.url}`, `201, the secret, shown once: whsec_…`)
    return endpoint as { id: string; secret: string }
  })

  await narrator.step('Carl rotates his key and revokes the old one', async () => {
    const second = await consumer.ask('POST', `/api-keys/${pro.keyId}/rotate`, {}, 201)
    expectEqual('status of the successor', second.status, 'active')
    expectStatus('a call with the successor', await call(second.key), 200)
    expectStatus('a call with the old key', await call(pro.key), 200)
    tell('POST /api-keys/{id}/rotate', `201 ${short(second.key)}; both work for 7 days`)
    const revoked = await consumer.ask('POST', `/api-keys/${pro.keyId}/revoke`)
    expectEqual('status', revoked.status, 'revoked')
    const { answer, milliseconds } = await expectWithin(
      1_000,
      'a call with the revoked key',
      '401',
      () => call(pro.key),
      ({ status }) => status === 401,
    )
    const { code } = answer.body
    tell('POST /api-keys/{id}/revoke', `200; refused after ${milliseconds.toFixed(0)} ms: ${code}`)
    expectStatus('the successor', await call(second.key), 200)
    tell('a call with the successor', '200')
  })

  await narrator.step('A signed webhook tells him', async () => {
    const { answer, milliseconds } = await expectWithin(
      5_000,
      'the message',
      'one',
      async () => upstream.calls.find(({ target }) => target === '/v1/hook'),
      (message) => message !== undefined,
    )
    const { body, headers } = answer as SeenCall
    const message = JSON.parse(body)
    expectEqual('type', message.type, 'key.revoked')
    expectEqual('the key that it names', message.data.key.id, pro.keyId)
    expectEqual('signature', headers['webhook-signature'], signatureOf(hook.secret, headers, body))
    tell(`POST ${upstream.url}/hook`, `${message.type} after ${milliseconds.toFixed(0)} ms`)
    narrator.note(`webhook-signature: ${headers['webhook-signature']}, which is right`)
    await consumer.ask('DELETE', `/webhooks/endpoints/${hook.id}`, undefined, 204)
  })

  const business = { slug: 'business', name: 'Business', type: 'flat', flatFee: 9900 }
  const { id: businessPlanId } = await provider.ask(
    ...(['POST', `/provider/apis/${api.id}/plans`, business, 201] as const),
  )
  const email = process.env.ADMIN_EMAIL || 'admin@veil.local'
  const signIn = { email, password: adminPassword }
  const admin =
    adminPassword === null
      ? null
      : anyone.as((await anyone.ask('POST', '/auth/login', signIn)).accessToken)
  const subscriptionId = pro.id
  await tellOfMoney({ narrator, consumer, url, admin, subscriptionId, businessPlanId })
}

/** As a receiver computes it (Standard Webhooks). */
function signatureOf(secret: string, headers: Record<string, string>, body: string): string {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
}

const slugsOf = (items: { slug: string }[]) => items.map(({ slug }) => slug)

/** Long ids and keys as their beginning. */
const short = (text: string): string => `${text.slice(0, 12)}…`

const money = ({ total, currency }: { total: number; currency: string }): string =>
  `${(total / 100).toFixed(2)} ${currency}`

function describePlan(plan: {
  name: string
  slug: string
  flatFee: number
  currency: string
  billingCycle: string
  quota: { limit: number; hard: boolean }
}): string {
  const { slug, flatFee: total, currency, billingCycle, quota } = plan
  const kind = quota.hard ? 'hard' : 'soft'
  return `${slug}: ${money({ total, currency })} ${billingCycle}, ${kind} quota of ${quota.limit}`
}
