import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let provider: TestUser

beforeAll(async () => {
  veil = await TestVeil.start({ ALLOW_PRIVATE_UPSTREAMS: 'false' })
  provider = await veil.user('provider')
})
afterAll(() => veil.stop())

const create = (slug: string, upstreamUrl: string) =>
  veil.request('POST', '/provider/apis', {
    token: provider.token,
    body: { name: 'x', slug, upstreamUrl },
  })

test.each([
  'http://localhost:9',
  'http://127.1',
  'http://10.0.0.1',
  'http://[fd00::1]',
  'http://db',
])(
  'with private upstreams forbidden, %s is refused on creating and on changing',
  async (upstreamUrl) => {
    const refused = { status: 422, body: { code: 'upstream_refused' } }
    expect(await create('private', upstreamUrl)).toMatchObject(refused)
    const slug = `public-${upstreamUrl.replaceAll(/[^a-z0-9]/g, '')}`
    const { body } = await create(slug, 'https://a.example')
    const answer = await veil.request('PUT', `/provider/apis/${body.id}`, {
      token: provider.token,
      headers: { 'if-match': '"1"' },
      body: { upstreamUrl },
    })
    expect(answer).toMatchObject(refused)
  },
)
