import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { expect, onTestFinished, test } from 'vitest'
import { freePort, startPostgres } from '#infra/embedded'
import { startTestCaddy } from '#test/caddy'
import { startEchoUpstream } from '#test/gateway'
import { eventually } from '#test/poll'
import { newPlace, VeilProcess } from '#test/process'
import { askOk, sellApi } from '#test/request'
import { TcpProxy } from '#test/tcp-proxy'

/** A database with nothing in it, on the test run's server. */
async function emptyDatabase(): Promise<string> {
  const name = `empty_${randomBytes(6).toString('hex')}`
  const url = new URL(process.env.TEST_POSTGRES_URL ?? '')
  const admin = postgres(url.href, { max: 1, onnotice: () => undefined })
  await admin.unsafe(`create database ${name}`)
  onTestFinished(async () => {
    await admin.unsafe(`drop database if exists ${name} with (force)`)
    await admin.end()
  })
  url.pathname = `/${name}`
  return url.href
}

/** What processes that stand on one database and one gateway have in common. */
async function sharedEnvironment(databaseUrl: string) {
  const caddy = await startTestCaddy()
  onTestFinished(() => caddy.stop())
  const shared = {
    ...{ DATABASE_URL: databaseUrl, GATEWAY_ADMIN_URLS: caddy.adminUrl },
    ...{ GATEWAY_LISTEN: caddy.gatewayAddress, GATEWAY_PUBLIC_URL: caddy.gatewayUrl },
    ...{ USAGE_LOG: caddy.logFile, EDGE_DIALS: `127.0.0.1:${await freePort()}` },
    ...{ VEIL_SECRET: 's'.repeat(32), USAGE_TOKENS: 't'.repeat(32) },
  }
  return { caddy, shared }
}

test('the roles work together when they are spread over processes', async () => {
  const { caddy, shared } = await sharedEnvironment(await emptyDatabase())
  const api = await VeilProcess.start({ environment: { ...shared, VEIL_ROLES: 'api,worker' } })
  onTestFinished(() => api.dispose())
  const [, edgePort = ''] = shared.EDGE_DIALS.split(':')
  const edge = await VeilProcess.start({
    environment: {
      ...shared,
      ...{ VEIL_ROLES: 'edge,cron', EDGE_PORT: edgePort, USAGE_URL: api.url },
    },
  })
  onTestFinished(() => edge.dispose())
  expect([...api.tree().values(), ...edge.tree().values()], 'no server of its own').toEqual([])
  expect((await api.request('GET', '/health/ready')).status).toBe(200)

  const upstream = startEchoUpstream('spread')
  onTestFinished(() => upstream.stop())
  const {
    slug,
    key,
    subscriptionId,
    consumerToken: token,
  } = await sellApi(...([api.url, 'spread', upstream.port] as const))
  const response = await fetch(`${caddy.gatewayUrl}/${slug}/`, { headers: { 'x-api-key': key } })
  expect(response.status).toBe(200)
  await eventually(
    async () =>
      (await askOk(`${api.url}/subscriptions/${subscriptionId}/usage`, 'GET', { token })).calls ===
      1,
    'the call to be counted',
  )
})

test('two replicas that start at once on an empty database agree', async () => {
  const { shared } = await sharedEnvironment(await emptyDatabase())
  const environment = { ...shared, VEIL_ROLES: 'api' }
  const replicas = await Promise.all([
    VeilProcess.start({ environment }),
    VeilProcess.start({ environment }),
  ])
  for (const replica of replicas) onTestFinished(() => replica.dispose())
  const passwords = replicas.flatMap(({ stdout }) => /Password +(\S+)/.exec(stdout)?.[1] ?? [])
  expect(passwords, 'the first admin is made once').toHaveLength(1)

  const body = { email: 'admin@veil.local', password: passwords[0] }
  const tokens = await Promise.all(
    replicas.map(({ url }) => askOk(`${url}/auth/login`, 'POST', { body })),
  )
  const keys = await Promise.all(
    replicas.map(({ url }) => askOk(`${url}/.well-known/jwks.json`, 'GET')),
  )
  expect(keys[0].keys).toHaveLength(1)
  expect(keys[1]).toEqual(keys[0])
  const [one, other] = replicas
  for (const [replica, { accessToken: token }] of [
    [one, tokens[1]],
    [other, tokens[0]],
  ] as const)
    expect((await replica?.request('GET', '/auth/me', { token }))?.status).toBe(200)
})

test('an outside Postgres that goes away is reported, and used again when it comes back', async () => {
  const place = await newPlace()
  const options = {
    dataDir: `${place.folder}/outside`,
    port: await freePort(),
    flags: ['-c', 'fsync=off'],
  }
  let server = await startPostgres(options)
  onTestFinished(() => server.stop())
  const { shared } = await sharedEnvironment(server.url)
  const veil = await VeilProcess.start({
    place,
    environment: { ...shared, VEIL_ROLES: 'api,worker,cron' },
  })
  onTestFinished(() => veil.dispose())

  await server.stop()
  const away = await veil.request('GET', '/health/ready')
  expect(away).toMatchObject({ status: 503, body: { code: 'not_ready', status: 503 } })
  expect(away.body.detail).toContain('postgres')
  expect((await veil.request('GET', '/health/live')).status).toBe(200)

  server = await startPostgres(options)
  const isBack = async () => {
    const { body } = await veil.request('GET', '/health/ready')
    return !String(body.detail ?? '').includes('postgres')
  }
  await eventually(isBack, 'the database to be used again')
  expect(veil.isRunning).toBe(true)
})

test('an edge alone starts again while Postgres is away, and says so', async () => {
  const url = new URL(await emptyDatabase())
  const proxy = await TcpProxy.start(Number(url.port))
  onTestFinished(() => proxy.stop())
  url.hostname = '127.0.0.1'
  url.port = String(proxy.port)
  const { shared } = await sharedEnvironment(url.href)
  const place = await newPlace()
  const environment = { ...shared, VEIL_ROLES: 'edge' }
  const health = async (): Promise<unknown> => {
    const address = `https://127.0.0.1:${place.environment.EDGE_PORT}/health/live`
    return (await fetch(address, { tls: { rejectUnauthorized: false } })).json()
  }
  const first = await VeilProcess.start({ place, environment })
  expect(await health()).toEqual({ status: 'ok' })
  first.signal('SIGTERM')
  expect((await first.closed).code).toBe(0)

  proxy.takeAway()
  const second = await VeilProcess.start({ place, environment })
  onTestFinished(() => second.dispose())
  expect(await health()).toEqual({ status: 'degraded' })
  proxy.bringBack()
  const isCurrent = async () => JSON.stringify(await health()).includes('ok')
  await eventually(isCurrent, 'the edge to be current again')
})
