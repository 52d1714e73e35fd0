import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '#infra/embedded'
import { startTestCaddy, type TestCaddy } from '#test/caddy'
import { CaddyAdmin, CaddyUnreadable, fnv1a32 } from '../../../src/modules/gateway/caddy'
import type { CaddyServer } from '../../../src/modules/gateway/config-types'

let caddy: TestCaddy
let admin: CaddyAdmin
beforeAll(async () => {
  caddy = await startTestCaddy()
  admin = new CaddyAdmin(caddy.adminUrl)
})
afterAll(() => caddy.stop())
beforeEach(() => caddy.restart())

const server = (text: string): CaddyServer => ({
  listen: [caddy.gatewayAddress],
  automatic_https: { disable: true },
  routes: [{ handle: [{ handler: 'static_response', body: text }] }],
})
const served = async () => (await fetch(caddy.gatewayUrl, { keepalive: false })).text()

test.each([
  ['', 0x811c9dc5],
  ['a', 0xe40c292c],
  ['foobar', 0xbf9cf968],
])('FNV-1a of %j, from the reference vectors', (input, hash) => {
  expect(fnv1a32(Buffer.from(input))).toBe(hash)
})

describe('writeServer', () => {
  test('makes the server with all levels above it, then replaces it', async () => {
    const before = await admin.readServer()
    expect(before.server).toBeNull()
    expect(await admin.writeServer(server('one'), before.etag)).toEqual({ kind: 'applied' })
    expect(await served()).toBe('one')
    const reading = await admin.readServer()
    expect(reading.server).toEqual(server('one'))
    expect(await admin.writeServer(server('two'), reading.etag)).toEqual({ kind: 'applied' })
    expect(await served()).toBe('two')
  })

  test('a stale etag is a conflict and changes nothing', async () => {
    const empty = await admin.readServer()
    await admin.writeServer(server('one'), empty.etag)
    const stale = await admin.readServer()
    await admin.writeServer(server('two'), stale.etag)
    expect(await admin.writeServer(server('late'), stale.etag)).toEqual({ kind: 'conflict' })
    expect(await admin.writeServer(server('late'), empty.etag)).toEqual({ kind: 'conflict' })
    expect(await served()).toBe('two')
  })

  test('of racing writers with the same reading exactly one wins', async () => {
    const { etag } = await admin.readServer()
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, index) => admin.writeServer(server(`${index}`), etag)),
    )
    expect(outcomes.filter(({ kind }) => kind === 'applied')).toHaveLength(1)
    expect(await served()).toBe(`${outcomes.findIndex(({ kind }) => kind === 'applied')}`)
  })

  test('a configuration that Caddy refuses leaves the old one serving', async () => {
    await admin.writeServer(server('old'), (await admin.readServer()).etag)
    const { etag } = await admin.readServer()
    const invalid = { ...server('new'), routes: [{ handle: [{ handler: 'no_such_handler' }] }] }
    const outcome = await admin.writeServer(invalid, etag)
    expect(outcome).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('no_such_handler'),
    })
    expect(await served()).toBe('old')
    expect((await admin.readServer()).server).toEqual(server('old'))
  })

  test('servers and apps of others stay as they are', async () => {
    const foreign = { listen: [`127.0.0.1:${await freePort()}`], routes: [] }
    await fetch(`${caddy.adminUrl}/config/apps`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ http: { servers: { shop: foreign } } }),
    })
    const first = await admin.readServer()
    expect(first.server).toBeNull()
    expect(await admin.writeServer(server('one'), first.etag)).toEqual({ kind: 'applied' })
    const second = await admin.readServer()
    expect(await admin.writeServer(server('two'), second.etag)).toEqual({ kind: 'applied' })
    const servers = await (await fetch(`${caddy.adminUrl}/config/apps/http/servers`)).json()
    const veil = { ...server('two'), '@id': expect.any(String) }
    expect(servers).toEqual({ shop: foreign, veil })
  })

  test('a configuration that comes back has another etag: who read it before is too late', async () => {
    await admin.writeServer(server('one'), (await admin.readServer()).etag)
    const early = await admin.readServer()
    for (const text of ['two', 'one'])
      await admin.writeServer(server(text), (await admin.readServer()).etag)
    expect((await admin.readServer()).server).toEqual(early.server)
    expect(await admin.writeServer(server('late'), early.etag)).toEqual({ kind: 'conflict' })
    expect(await served()).toBe('one')
  })

  test('somebody else changing the ancestor between reading and creating is a conflict', async () => {
    const { etag } = await admin.readServer()
    await fetch(`${caddy.adminUrl}/config/apps`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ http: { servers: {} } }),
    })
    expect(await admin.writeServer(server('one'), etag)).toEqual({ kind: 'conflict' })
  })
})

describe('recallServer', () => {
  const edit = () =>
    fetch(`${caddy.adminUrl}/config/apps/http/servers/veil/idle_timeout`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '1000000000',
    })

  test('knows what was written by its version, and its etag guards a write', async () => {
    await admin.writeServer(server('one'), (await admin.readServer()).etag)
    await edit()
    const recalled = await admin.recallServer()
    expect(recalled).toMatchObject({ server: server('one'), isRecalled: true })
    expect((await admin.readServer()).server).toHaveProperty('idle_timeout')
    expect(await admin.writeServer(server('two'), recalled.etag)).toEqual({ kind: 'applied' })
    expect(await admin.writeServer(server('late'), recalled.etag)).toEqual({ kind: 'conflict' })
    expect((await admin.readServer()).server).toEqual(server('two'))
  })

  test('reads what somebody else wrote, and an empty gateway', async () => {
    await admin.writeServer(server('one'), (await admin.readServer()).etag)
    const other = new CaddyAdmin(caddy.adminUrl)
    await other.writeServer(server('two'), (await other.recallServer()).etag)
    const reading = await admin.recallServer()
    expect(reading.server).toEqual(server('two'))
    expect(reading.isRecalled).toBeUndefined()
    await caddy.restart()
    expect((await admin.recallServer()).server).toBeNull()
  })

  test('a server that was taken away since is a conflict', async () => {
    await admin.writeServer(server('one'), (await admin.readServer()).etag)
    const { etag } = await admin.recallServer()
    await fetch(`${caddy.adminUrl}/config/apps/http/servers/veil`, { method: 'DELETE' })
    expect(await admin.writeServer(server('late'), etag)).toEqual({ kind: 'conflict' })
    expect((await admin.readServer()).server).toBeNull()
  })
})

describe('a gateway that is not there', () => {
  test('nothing listens: unreachable, and unreadable', async () => {
    const away = new CaddyAdmin(`http://127.0.0.1:${await freePort()}`)
    expect(await away.writeServer({}, '"/config/apps/http/servers/veil 0"')).toMatchObject({
      kind: 'unreachable',
    })
    await expect(away.readServer()).rejects.toMatchObject({ reachable: false })
    expect(await away.ping()).toBe(false)
    expect(await away.version()).toBeNull()
  })

  test.each([
    ['a server error without Caddy’s words', () => new Response('bad gateway', { status: 502 })],
    ['silence', () => new Promise<Response>(() => {})],
  ])('%s is ambiguous', async (_name, answer) => {
    const other = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: answer })
    try {
      const admin = new CaddyAdmin(`http://127.0.0.1:${other.port}`, { timeoutMs: 300 })
      const outcome = await admin.writeServer({}, '"/config/apps/http/servers/veil 0"')
      expect(outcome).toMatchObject({ kind: 'ambiguous' })
      await expect(admin.readServer()).rejects.toThrow(CaddyUnreadable)
    } finally {
      await other.stop(true)
    }
  })

  test('ping answers for a Caddy that is there', async () => {
    expect(await admin.ping()).toBe(true)
  })
})
