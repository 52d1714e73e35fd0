import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let provider: TestUser
let admin: TestUser
let consumer: TestUser

const LISTED = [
  { slug: 'forecast', name: 'Weather Forecast', description: 'Rain, snow & sun (hourly).' },
  {
    slug: 'zahlen',
    name: 'Übung macht den Meister',
    description: 'Zahlen für alle, Maps/Geo von karten.example.com',
    category: 'maths',
  },
  { slug: 'tokyo', name: '東京 天気', description: 'Weather in 日本', category: 'maths' },
  { slug: 'percent', name: '100% pure', description: "it's; drop table apis; -- \\ %_" },
]

beforeAll(async () => {
  veil = await TestVeil.start()
  provider = await veil.user('provider')
  consumer = await veil.user('consumer')
  admin = await veil.admin()
  for (const slug of ['maths', 'empty'])
    await veil.expectOk('POST', '/categories', { token: admin.token, body: { slug, name: slug } })
  for (const api of LISTED)
    await veil.publishedApi(provider, { ...api, upstreamUrl: 'https://a.example' })
  const hidden = { slug: 'hidden', name: 'Weather hidden', category: 'maths' }
  await veil.expectOk('POST', '/provider/apis', {
    token: provider.token,
    body: { ...hidden, upstreamUrl: 'https://a.example' },
  })
})
afterAll(() => veil.stop())

const browse = (query: Record<string, string>) =>
  veil.request('GET', `/marketplace/apis?${new URLSearchParams(query)}`)
const slugs = async (query: Record<string, string>) => {
  const { status, body } = await browse(query)
  expect(status).toBe(200)
  return body.items.map(({ slug }: { slug: string }) => slug).sort()
}

describe('search', () => {
  test.each<[string, string[]]>([
    ['weather', ['forecast', 'tokyo']],
    ['WEATHER', ['forecast', 'tokyo']],
    ['weath', ['forecast', 'tokyo']],
    ['weather forecast', ['forecast']],
    ['forecast weather', ['forecast']],
    ['eather', []],
    ['weather zahlen', []],
    ['hourly', ['forecast']],
    ['(rain) & !snow | sun:*', ['forecast']],
    ['für', ['zahlen']],
    ['Übung', ['zahlen']],
    ['übung', ['zahlen']],
    ['東京', ['tokyo']],
    ['100', ['percent']],
    ['geo', ['zahlen']],
    ['karten.example', ['zahlen']],
    ["it's", ['percent']],
    ["'; drop table apis; --", ['percent']],
    ["' or '1'='1", []],
    ['%', []],
    ['!!! ---', []],
    ['\\', []],
    ['\u0301', []],
    ['a\u0000b', []],
    ['x'.repeat(200), []],
  ])('%j finds %j', async (search, expected) => {
    if (search.includes('\u0000')) expect((await browse({ search })).status).toBe(422)
    else expect(await slugs({ search })).toEqual(expected)
  })

  test('of more than 200 characters is refused', async () => {
    const answer = await browse({ search: 'x'.repeat(201) })
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ pointer: '/search' }] } })
  })
})

describe('browsing', () => {
  test('a category holds its published APIs, and no others', async () => {
    expect(await slugs({ category: 'maths' })).toEqual(['tokyo', 'zahlen'])
    expect(await slugs({ category: 'maths', search: 'weather' })).toEqual(['tokyo'])
    expect(await slugs({ category: 'empty' })).toEqual([])
    expect(await slugs({ category: "x' or 1=1" })).toEqual([])
    const { body } = await veil.request('GET', '/marketplace/categories')
    const counts = Object.fromEntries(body.map((entry: any) => [entry.slug, entry.apis]))
    expect(counts).toEqual({ maths: 2, empty: 0 })
  })

  test('a listing shows plans and provider, and never where calls go', async () => {
    const { status, body } = await veil.request('GET', '/marketplace/apis/forecast')
    expect(status).toBe(200)
    expect(body).toMatchObject({ slug: 'forecast', provider: 'User 1', plans: [{ slug: 'free' }] })
    expect(JSON.stringify(body)).not.toContain('a.example')
    expect(Object.keys(body)).not.toContain('upstreamUrl')
  })

  test('a draft is nowhere: not listed, not found, without plans, not subscribable', async () => {
    expect(await slugs({})).not.toContain('hidden')
    expect(await slugs({ search: 'hidden' })).toEqual([])
    const { items } = await veil.expectOk('GET', '/provider/apis', { token: provider.token })
    const { id } = items.find(({ slug }: { slug: string }) => slug === 'hidden')
    const plan = await veil.expectOk('POST', `/provider/apis/${id}/plans`, {
      token: provider.token,
      body: { template: 'free' },
    })
    expect((await veil.request('GET', '/marketplace/apis/hidden')).status).toBe(404)
    expect((await veil.request('GET', '/pricing/models?api=hidden')).body).toEqual([])
    expect((await veil.request('GET', `/pricing/models/${plan.id}`)).status).toBe(404)
    const calculation = { body: { planId: plan.id, units: 1 } }
    expect((await veil.request('POST', '/pricing/calculate', calculation)).status).toBe(404)
    const subscription = { token: consumer.token, body: { api: 'hidden', planId: plan.id } }
    expect((await veil.request('POST', '/subscriptions', subscription)).status).toBe(404)
  })

  test.each(['%00', '%', "'", '..%2f..', 'x'.repeat(3000)])('no API is called %s', async (slug) => {
    const { status } = await veil.request('GET', `/marketplace/apis/${slug}`)
    expect(status).toBe(slug === '%00' ? 422 : 404)
  })

  test('pages of equal instants neither repeat nor skip', async () => {
    await veil.container.sql`update apis set created_at = '2026-01-01T00:00:00Z'`
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const { body } = await browse({ limit: '1', ...(cursor && { cursor }) })
      seen.push(...body.items.map(({ slug }: { slug: string }) => slug))
      cursor = body.nextCursor
    } while (cursor)
    expect(seen.toSorted()).toEqual(LISTED.map(({ slug }) => slug).sort())
  })
})

describe('categories', () => {
  const write = (method: string, path: string, body?: unknown, token = admin.token) =>
    veil.request(method, `/categories${path}`, { token, body })

  test('are made, read, changed and deleted by an admin', async () => {
    const made = await write('POST', '', { slug: 'music', name: 'Music' })
    expect(made).toMatchObject({ status: 201, body: { slug: 'music', description: '' } })
    const path = `/${made.body.id}`
    expect((await write('GET', path)).body).toEqual(made.body)
    const body = { slug: 'sound', name: 'Sound', description: 'All that one hears' }
    expect((await write('PUT', path, body)).body).toEqual({ id: made.body.id, ...body })
    expect((await veil.request('GET', '/categories')).body).toContainEqual({
      id: made.body.id,
      ...body,
    })
    expect((await write('DELETE', path)).status).toBe(204)
    for (const method of ['GET', 'DELETE']) expect((await write(method, path)).status).toBe(404)
    expect((await write('PUT', path, body)).status).toBe(404)
  })

  test('belong to nobody else', async () => {
    const body = { slug: 'mine', name: 'Mine' }
    for (const { token } of [consumer, provider]) {
      expect((await write('POST', '', body, token)).status).toBe(403)
      expect((await write('PUT', '/cat_1', body, token)).status).toBe(403)
      expect((await write('DELETE', '/cat_1', undefined, token)).status).toBe(403)
    }
  })

  test('have slugs of their own, also when two come at once', async () => {
    expect((await write('POST', '', { slug: 'maths', name: 'x' })).body.code).toBe('category_taken')
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => write('POST', '', { slug: 'once', name: 'Once' })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409])
    const id = answers.find(({ status }) => status === 201)?.body.id
    expect((await write('PUT', `/${id}`, { slug: 'maths', name: 'x' })).status).toBe(409)
  })

  test('stay while an API is in them', async () => {
    const { body } = await veil.request('GET', '/categories')
    const maths = body.find(({ slug }: { slug: string }) => slug === 'maths')
    const answer = await write('DELETE', `/${maths.id}`)
    expect(answer).toMatchObject({ status: 409, body: { code: 'category_in_use' } })
    expect(await slugs({ category: 'maths' })).toHaveLength(2)
  })

  test.each([
    [{ slug: 'A', name: 'x' }, '/slug'],
    [{ slug: 'a', name: '' }, '/name'],
    [{ slug: 'a' }, '/name'],
    [{ slug: 'a', name: 'x', description: 'x'.repeat(1001) }, '/description'],
    [{ slug: 'a', name: 'x', colour: 'red' }, '/colour'],
  ])('%j is refused', async (body, pointer) => {
    const answer = await write('POST', '', body)
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ pointer }] } })
  })
})
