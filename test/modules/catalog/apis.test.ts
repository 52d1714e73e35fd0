import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HTTP_METHODS } from '#db/schema/catalog'
import { DesiredApis } from '#modules/gateway'
import { type Answer, type TestUser, TestVeil } from '#test/veil'
import { renderServer } from '../../../src/modules/gateway/desired'

let veil: TestVeil
let provider: TestUser
let other: TestUser
let count = 0

beforeAll(async () => {
  veil = await TestVeil.start()
  provider = await veil.user('provider')
  other = await veil.user('provider')
})
afterAll(() => veil.stop())

const input = (over: Record<string, unknown> = {}) => ({
  ...{ name: 'Weather', slug: `api-${++count}`, upstreamUrl: 'https://api.example.com/v1' },
  ...over,
})
const create = (over: Record<string, unknown> = {}): Promise<Answer> =>
  veil.request('POST', '/provider/apis', { token: provider.token, body: input(over) })
const pointersOf = ({ body }: Answer) =>
  body.errors?.map((error: { pointer: string }) => error.pointer)

describe('creating', () => {
  test('gives what was left out its default', async () => {
    const before = veil.clock.now().getTime()
    const { status, body } = await create({ slug: 'defaults' })
    expect(status).toBe(201)
    expect(body).toMatchObject({
      ...{ slug: 'defaults', name: 'Weather', description: '', category: null },
      ...{ methods: ['GET'], requiredHeaders: [], status: 'draft', version: 1, publishedAt: null },
      ...{ upstreamUrl: 'https://api.example.com/v1', url: `${veil.caddy.gatewayUrl}/defaults` },
    })
    expect(body.id).toMatch(/^api_[0-9a-f]{32}$/)
    expect(Date.parse(body.createdAt)).toBeGreaterThanOrEqual(before)
    expect(body.updatedAt).toBe(body.createdAt)
    const read = await veil.request('GET', `/provider/apis/${body.id}`, { token: provider.token })
    expect(read.body).toEqual(body)
    expect(read.headers.get('etag')).toBe('"1"')
  })

  test('keeps what was said', async () => {
    const said = {
      ...{ name: 'Météo 🌦', description: "x'); drop table apis; --", methods: ['POST', 'PATCH'] },
      requiredHeaders: [{ name: 'X-Tenant', value: 'a b' }, { name: 'X-Zone' }],
    }
    const { body } = await create(said)
    expect(body).toMatchObject({
      ...{ name: said.name, description: said.description },
      requiredHeaders: [
        { name: 'X-Tenant', value: 'a b' },
        { name: 'X-Zone', value: null },
      ],
    })
    expect(new Set(body.methods)).toEqual(new Set(said.methods))
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['no name', { name: undefined }, '/name'],
    ['an empty name', { name: '' }, '/name'],
    ['a blank name', { name: ' \t ' }, '/name'],
    ['a name with a line break', { name: 'a\nb' }, '/name'],
    ['a name with U+0000', { name: 'a\u0000b' }, '/name'],
    ['a long name', { name: 'x'.repeat(101) }, '/name'],
    ['a name that is a number', { name: 7 }, '/name'],
    ['no slug', { slug: undefined }, '/slug'],
    ...[
      ...['', 'A', 'a_b', '-a', 'a-', 'a b', 'a/b', 'a.b', '..', 'ä', 'a\n', 'a\u0000', '%61'],
      'x'.repeat(64),
    ].map((slug): [string, Record<string, unknown>, string] => [
      `the slug ${JSON.stringify(slug)}`,
      { slug },
      '/slug',
    ]),
    ...['health', 'swagger', 'gateway', 'veil', 'well-known'].map(
      (slug): [string, Record<string, unknown>, string] => [
        `the reserved slug ${slug}`,
        { slug },
        '/slug',
      ],
    ),
    ['a long description', { description: 'x'.repeat(5001) }, '/description'],
    ['a description with U+0000', { description: '\u0000' }, '/description'],
    ['an unknown category', { category: 'nowhere' }, '/category'],
    ['a category with U+0000', { category: '\u0000' }, '/category'],
    ['no method', { methods: [] }, '/methods'],
    ['a method twice', { methods: ['GET', 'GET'] }, '/methods'],
    ['a method in lower case', { methods: ['get'] }, '/methods/0'],
    ['a method that is none', { methods: ['GET', 'TRACE'] }, '/methods/1'],
    [
      'a header name with a space',
      { requiredHeaders: [{ name: 'X A' }] },
      '/requiredHeaders/0/name',
    ],
    [
      'a header name with a colon',
      { requiredHeaders: [{ name: 'X:' }] },
      '/requiredHeaders/0/name',
    ],
    [
      'a header value with a line break',
      { requiredHeaders: [{ name: 'X', value: 'a\r\nb' }] },
      '/requiredHeaders/0/value',
    ],
    [
      'a header value with a space in front',
      { requiredHeaders: [{ name: 'X', value: ' a' }] },
      '/requiredHeaders/0/value',
    ],
    [
      'a header twice',
      { requiredHeaders: [{ name: 'X-A' }, { name: 'x-a', value: 'b' }] },
      '/requiredHeaders/1/name',
    ],
    [
      'a header that Veil deletes',
      { requiredHeaders: [{ name: 'X-Veil-Key' }] },
      '/requiredHeaders/0/name',
    ],
    [
      '21 headers',
      { requiredHeaders: Array.from({ length: 21 }, (_, n) => ({ name: `X-${n}` })) },
      '/requiredHeaders',
    ],
    [
      'a property of a header that there is not',
      { requiredHeaders: [{ name: 'X', values: [] }] },
      '/requiredHeaders/0/values',
    ],
    ['no upstream', { upstreamUrl: undefined }, '/upstreamUrl'],
    ['a long upstream', { upstreamUrl: `https://a.example/${'x'.repeat(500)}` }, '/upstreamUrl'],
    ['a property that there is not', { visibility: 'public' }, '/visibility'],
    ['a status', { status: 'published' }, '/status'],
    ['an owner', { ownerId: 'usr_1' }, '/ownerId'],
  ])('%s is refused, with its place', async (_name, over, pointer) => {
    const answer = await create(over)
    expect(answer.status).toBe(422)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(pointersOf(answer)).toContain(pointer)
  })

  test.each([
    'http://169.254.169.254/latest/meta-data',
    'http://[::ffff:169.254.169.254]',
    'http://user:pass@api.example.com',
    'https://api.example.com?x=1',
    'http://{http.vars.x}.com',
    'http://[::1]:PORT',
    'http://localhost.:PORT',
    'http://0x7f.1:PORT',
  ])('the upstream %s is refused, for each of our own ports', async (url) => {
    const [api, admin, gateway] = [veil.url, veil.caddy.adminUrl, veil.caddy.gatewayUrl].map(
      (own) => Number(new URL(own).port),
    )
    const { config, database } = veil.container
    const ports = url.includes('PORT')
      ? [api, admin, gateway, config.edge.port, database.port]
      : ['none']
    for (const port of ports) {
      const answer = await create({ upstreamUrl: url.replace('PORT', String(port)) })
      expect(answer).toMatchObject({ status: 422, body: { code: 'upstream_refused' } })
      expect(pointersOf(answer)).toEqual(['/upstreamUrl'])
    }
  })

  test('a taken slug is a conflict, also of a draft of somebody else', async () => {
    const { body } = await create()
    const answer = await veil.request('POST', '/provider/apis', {
      token: other.token,
      body: input({ slug: body.slug }),
    })
    expect(answer).toMatchObject({ status: 409, body: { code: 'slug_taken' } })
    expect(pointersOf(answer)).toEqual(['/slug'])
  })

  test('of ten at once that want one slug, one gets it', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => create({ slug: 'wanted' })))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)])
  })
})

describe('changing', () => {
  const change = (id: string, body: unknown, ifMatch: string | null = '"1"', token?: string) =>
    veil.request('PUT', `/provider/apis/${id}`, {
      token: token ?? provider.token,
      body,
      headers: ifMatch === null ? {} : { 'if-match': ifMatch },
    })

  test('what is left out stays, and the version grows', async () => {
    const { body } = await create({ methods: ['POST'], requiredHeaders: [{ name: 'X-A' }] })
    const answer = await change(body.id, { name: 'Renamed' })
    expect(answer).toMatchObject({
      status: 200,
      body: { ...body, name: 'Renamed', version: 2, updatedAt: expect.any(String) },
    })
    const headers = await change(body.id, { requiredHeaders: [] }, 'W/"2"')
    expect(headers.body).toMatchObject({ requiredHeaders: [], methods: ['POST'], version: 3 })
  })

  test.each<[string, string | null, number, string]>([
    ['no version', null, 428, 'version_missing'],
    ['an empty version', '', 428, 'version_missing'],
    ['any version', '*', 428, 'version_missing'],
    ['a word', '"one"', 428, 'version_missing'],
    ['an older version', '"0"', 412, 'version_conflict'],
    ['a later version', '"2"', 412, 'version_conflict'],
  ])('with %s is refused', async (_name, ifMatch, status, code) => {
    const { body } = await create()
    expect(await change(body.id, { name: 'x' }, ifMatch)).toMatchObject({ status, body: { code } })
  })

  test('of eight at once one wins and no edit is lost', async () => {
    const { body } = await create()
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => change(body.id, { name: `Edit ${n}` })),
    )
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    for (const { status } of answers) expect([200, 412]).toContain(status)
    const now = await veil.expectOk('GET', `/provider/apis/${body.id}`, { token: provider.token })
    expect(now).toMatchObject({ name: won[0]?.body.name, version: 2 })
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['a slug with capitals', { slug: 'Other' }, '/slug'],
    ['a blank name', { name: ' ' }, '/name'],
    ['an upstream inside', { upstreamUrl: 'http://169.254.169.254' }, '/upstreamUrl'],
    [
      'a header twice',
      { requiredHeaders: [{ name: 'A' }, { name: 'a' }] },
      '/requiredHeaders/1/name',
    ],
  ])('%s is refused', async (_name, over, pointer) => {
    const { body } = await create()
    const answer = await change(body.id, over)
    expect(answer.status).toBe(422)
    expect(pointersOf(answer)).toContain(pointer)
  })

  test("somebody else's API does not exist", async () => {
    const { body } = await create()
    const unknown = { status: 404, body: { code: 'api_unknown' } }
    expect(await change(body.id, { name: 'x' }, '"1"', other.token)).toMatchObject(unknown)
    const { token } = other
    const path = `/provider/apis/${body.id}`
    for (const [method, rest] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/publish'],
      ['POST', '/unpublish'],
      ['GET', '/plans'],
    ] as const)
      expect(await veil.request(method, path + rest, { token })).toMatchObject(unknown)
    const plan = { token, body: { template: 'free' } }
    expect(await veil.request('POST', `${path}/plans`, plan)).toMatchObject(unknown)
    for (const id of ['api_1', 'x', '%00', '%', "'", body.slug, body.id.replace('api_', 'sub_')])
      expect(
        await veil.request('GET', `/provider/apis/${id}`, { token: provider.token }),
      ).toMatchObject({
        status: id === '%00' ? 422 : 404,
      })
  })
})

describe('listing', () => {
  test('pages of equal instants neither repeat nor skip, and show only what is yours', async () => {
    const { token } = await veil.user('provider')
    const made: string[] = []
    for (let n = 0; n < 11; n++) {
      const { id } = await veil.expectOk('POST', '/provider/apis', { token, body: input() })
      made.push(id)
    }
    await veil.container.sql`update apis set created_at = '2026-01-01T00:00:00Z'
      where id = any(${made.map((id) => id.slice(4))}::uuid[])`
    const seen: string[] = []
    let cursor: string | null = null
    let pages = 0
    do {
      const query: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''
      const page: any = await veil.expectOk('GET', `/provider/apis?limit=4${query}`, { token })
      seen.push(...page.items.map(({ id }: { id: string }) => id))
      cursor = page.nextCursor
      pages++
    } while (cursor)
    expect(pages).toBe(3)
    expect(seen).toEqual(made.toSorted().reverse())
  })
})

test('whatever may be created can be rendered, and the gateway takes it', async () => {
  const text = (alphabet: string, maxLength: number) =>
    fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength })
  const odd = '{}$%\\"\'`|^<>()[]*+?.~!#&=,;:@/ -_äAz09\u0000\n'
  const mostly = <T>(fine: fc.Arbitrary<T>, strange: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 4, arbitrary: fine }, { weight: 1, arbitrary: strange })
  const host = mostly(
    fc.constantFrom(
      'a.example',
      '127.0.0.1:9',
      '[::1]:9',
      'localhost:9',
      'x:1',
      '{env.HOME}',
      '10.0.0.1',
    ),
    text(odd, 12),
  )
  const upstreamUrl = fc
    .tuple(
      mostly(fc.constantFrom('http', 'https', 'HTTP'), fc.constant('ftp')),
      host,
      mostly(text('ab/.-~', 5), text(odd, 12)),
    )
    .map(([scheme, name, path]) => `${scheme}://${name}${path && `/${path}`}`)
  const requiredHeaders = fc.array(
    fc.record(
      {
        name: mostly(text('XAaz', 6), text(odd, 4)),
        value: mostly(text('abc{}$^\\.*[', 8), text(odd, 8)),
      },
      { requiredKeys: ['name'] },
    ),
    { maxLength: 2 },
  )
  const methods = fc.uniqueArray(fc.constantFrom(...HTTP_METHODS), { minLength: 1 })
  const slug = mostly(text('abz019', 8), text(odd, 5))
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(fc.record({ slug, upstreamUrl, requiredHeaders, methods }), async (over) => {
      const answer = await create(over)
      expect({ over, status: answer.status }).toMatchObject({
        status: expect.toSatisfy((status) => [201, 409, 422].includes(status)),
      })
      if (answer.status === 201) accepted++
    }),
    { numRuns: 600 },
  )
  expect(accepted).toBeGreaterThan(20)
  const { container } = veil
  await container.sql`update apis set status = 'published'`
  const apis = await new DesiredApis(container.database.db).load()
  expect(apis.length).toBeGreaterThan(accepted)
  renderServer({
    listen: [':1'],
    edgeDials: ['127.0.0.1:2'],
    edgeCertificate: { serverName: 'edge', der: '' },
    keyHeader: 'X-API-Key',
    apis,
  })
  expect(await container.pusher.push()).toMatchObject({ writes: 1 })
})
