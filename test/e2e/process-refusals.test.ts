import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startTestCaddy, type TestCaddy } from '#test/caddy'
import { freshDatabase } from '#test/database'
import { newPlace, type Place, VeilProcess } from '#test/process'

/** No start that is refused takes longer than this, nor leaves anything behind. */
const PATIENCE_MS = 20_000

let gateway: TestCaddy
let stranger: { server: Server; port: string }
let silent: Server

beforeAll(async () => {
  gateway = await startTestCaddy()
  stranger = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  ;({ server: silent } = await listen(() => undefined))
})
afterAll(async () => {
  await gateway.stop()
  stranger.server.close()
  silent.close()
})

function listen(answer: (socket: import('node:net').Socket) => void) {
  return new Promise<{ server: Server; port: string }>((resolve) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => answer(socket))
    })
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve({ server, port: String(typeof address === 'object' ? address?.port : 0) })
    })
  })
}

const databaseUrl = (change: (url: URL) => void): string => {
  const url = new URL(process.env.TEST_POSTGRES_URL ?? '')
  change(url)
  return url.href
}

const production = {
  NODE_ENV: 'production',
  VEIL_SECRET: 's'.repeat(32),
  USAGE_TOKENS: 't'.repeat(32),
  ADMIN_PASSWORD: 'correct horse battery staple',
}

const PORTS = ['PORT', 'EDGE_PORT', 'GATEWAY_PORT', 'CADDY_ADMIN_PORT', 'POSTGRES_PORT']

/** What is wrong, the environment that makes it so, and what the terminal must say. */
const REFUSALS: [string, (place: Place) => Record<string, string>, (string | RegExp)[]][] = [
  ...[...PORTS, 'METRICS_PORT'].map((name): (typeof REFUSALS)[number] => [
    `a taken ${name}`,
    () => ({ [name]: stranger.port }),
    [new RegExp(`^Port ${stranger?.port ?? '\\d+'} is taken`, 'm'), `set ${name} to a free port`],
  ]),
  [
    'several wrong variables at once',
    () => ({ PORT: 'abc', LOG_LEVEL: 'loud', VEIL_ROLES: 'api,cook', DATABASE_URL: 'mysql://x/y' }),
    [
      'PORT: must be a port: a whole number from 1 to 65535',
      'LOG_LEVEL: must be one of fatal,',
      'VEIL_ROLES: must be a comma-separated list of api, worker, cron, edge',
      'DATABASE_URL: must be postgres://',
    ],
  ],
  [
    'production without its secrets',
    () => ({ NODE_ENV: 'production' }),
    [
      'VEIL_SECRET: must be set',
      'DATABASE_URL: must',
      'ADMIN_PASSWORD: must',
      'USAGE_TOKENS: must',
    ],
  ],
  [
    'a mistake in pricing.yaml',
    ({ folder }) => {
      const file = join(folder, 'pricing.yaml')
      writeFileSync(file, 'version: 1\ncurrencies: [EUR]\ndefaults:\n  currency: euro\n')
      return { PRICING_FILE: file }
    },
    [/line 4: defaults\.currency: must be an ISO 4217 code/, 'planTemplates'],
  ],
  [
    'a pricing.yaml that is none',
    ({ folder }) => ({ PRICING_FILE: join(folder, 'nowhere.yaml') }),
    ['nowhere.yaml', 'ENOENT'],
  ],
  [
    'a CADDY_BIN that is none',
    () => ({ CADDY_BIN: '/nowhere/caddy' }),
    ['CADDY_BIN (/nowhere/caddy) is no usable Caddy', 'apt-get install caddy'],
  ],
  [
    'no Caddy to be found',
    ({ folder }) => {
      mkdirSync(join(folder, 'empty'))
      // A proxy that refuses stands for a machine without a network.
      const proxy = 'http://127.0.0.1:9'
      return {
        ...{ CADDY_BIN: '', PERMIT_PACKAGE_MANAGER: 'false', PATH: join(folder, 'empty') },
        ...{ HTTPS_PROXY: proxy, https_proxy: proxy },
      }
    },
    ['No Caddy was found', 'CADDY_BIN'],
  ],
  [
    'a database server that is not there',
    () => ({ DATABASE_URL: 'postgres://veil:hidden@127.0.0.1:9/veil' }),
    [
      'The database veil at 127.0.0.1:9 cannot be used: nothing listens there',
      'Correct DATABASE_URL',
    ],
  ],
  [
    'a wrong database password',
    () => ({ DATABASE_URL: databaseUrl((url) => (url.password = 'hidden')) }),
    ['it refuses this user or password', 'Correct DATABASE_URL'],
  ],
  [
    'a database that does not exist',
    () => ({ DATABASE_URL: databaseUrl((url) => (url.pathname = '/nowhere')) }),
    ['The database nowhere', 'no database of that name'],
  ],
  [
    'a DATABASE_URL that leads to something else',
    () => ({ DATABASE_URL: `postgres://veil:hidden@127.0.0.1:${stranger.port}/veil` }),
    ['cannot be used', 'Correct DATABASE_URL'],
  ],
  [
    'a DATABASE_URL that leads to silence',
    () => ({ DATABASE_URL: `postgres://veil:hidden@127.0.0.1:${portOf(silent)}/veil` }),
    ['no answer in time', 'Correct DATABASE_URL'],
  ],
  [
    'a gateway that is not there',
    () => ({ GATEWAY_ADMIN_URLS: 'http://127.0.0.1:9' }),
    ['http://127.0.0.1:9 cannot be reached', 'Correct GATEWAY_ADMIN_URLS'],
  ],
  [
    'a gateway that is none',
    () => ({ GATEWAY_ADMIN_URLS: `http://127.0.0.1:${stranger.port}` }),
    ['answers 400', 'Correct GATEWAY_ADMIN_URLS'],
  ],
  [
    'a data folder that cannot be written',
    ({ folder }) => {
      writeFileSync(join(folder, 'file'), '')
      return { VEIL_DATA_DIR: join(folder, 'file/data') }
    },
    ['The data folder', 'set VEIL_DATA_DIR'],
  ],
  [
    'an address of another machine',
    () => ({ VEIL_HOST: '192.0.2.1' }),
    ['cannot listen on 192.0.2.1', 'Set VEIL_HOST'],
  ],
]

const portOf = (server: Server) => {
  const address = server.address()
  return typeof address === 'object' ? address?.port : 0
}

async function expectRefusal(veil: VeilProcess, words: (string | RegExp)[]): Promise<void> {
  const begun = performance.now()
  const watch = setInterval(() => veil.isRunning && veil.tree(), 50)
  const late = setTimeout(() => veil.signal('SIGKILL'), PATIENCE_MS)
  const end = await veil.closed
  clearTimeout(late)
  clearInterval(watch)
  expect(end, `${veil.stdout}${veil.stderr} after ${performance.now() - begun} ms`).toEqual({
    code: 1,
    signal: null,
  })
  for (const word of words) expect(veil.stdout).toMatch(word)
  expect(veil.stdout + veil.stderr, 'no stack trace').not.toMatch(/^\s+at |Error:/m)
  expect(veil.stdout + veil.stderr, 'no secret').not.toContain('hidden')
  expect(veil.survivors()).toEqual([])
}

test.concurrent.for(REFUSALS)(
  '%s is refused with one plain message',
  async ([, mistake, words]) => {
    const place = await newPlace()
    const veil = await VeilProcess.spawn({ place, environment: mistake(place) })
    try {
      await expectRefusal(veil, words)
    } finally {
      await veil.dispose()
    }
  },
)

test('an ADMIN_EMAIL that somebody else has is refused with one plain message', async () => {
  const place = await newPlace()
  const database = await freshDatabase()
  onTestFinished(() => database.drop())
  const [{ id } = { id: '' }] = await database.sql`select gen_random_uuid()::text as id`
  await database.sql`insert into users (id, email, name, roles)
    values (${id}, 'taken@example.com', 'Taken', array['consumer'])`
  const veil = await VeilProcess.spawn({
    place,
    environment: { DATABASE_URL: database.url, ADMIN_EMAIL: 'Taken@example.com' },
  })
  onTestFinished(() => veil.dispose())
  await expectRefusal(veil, [/ADMIN_EMAIL belongs to an account without that role: set another/])
})

test('a database user who may not create tables is refused with one plain message', async () => {
  const name = `reader_${crypto.randomUUID().slice(0, 8)}`
  const owner = postgres(process.env.TEST_POSTGRES_URL ?? '', { max: 1, onnotice: () => undefined })
  await owner.unsafe(`create role ${name} login password 'hidden'`)
  await owner.unsafe(`create database ${name}`)
  onTestFinished(async () => {
    await owner.unsafe(`drop database ${name} with (force)`)
    await owner.unsafe(`drop role ${name}`)
    await owner.end()
  })
  const veil = await VeilProcess.spawn({
    environment: {
      DATABASE_URL: databaseUrl((url) =>
        Object.assign(url, { username: name, password: 'hidden', pathname: name }),
      ),
    },
  })
  onTestFinished(() => veil.dispose())
  await expectRefusal(veil, ['may not create tables', 'owner of the database'])
})

test('production with everything set starts, says nothing in plain words on standard error, and logs', async () => {
  const database = await freshDatabase()
  onTestFinished(() => database.drop())
  const veil = await VeilProcess.start({
    environment: {
      ...production,
      DATABASE_URL: database.url,
      GATEWAY_ADMIN_URLS: gateway.adminUrl,
    },
  })
  onTestFinished(() => veil.dispose())
  const body = { email: 'admin@veil.local', password: production.ADMIN_PASSWORD }
  expect((await veil.request('POST', '/auth/login', { body })).status).toBe(200)
  expect(veil.stdout).not.toContain(production.ADMIN_PASSWORD)
  veil.signal('SIGTERM')
  expect(await veil.closed).toEqual({ code: 0, signal: null })
  const lines = veil.stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines).toContainEqual(
    expect.objectContaining({ msg: 'http.answered', path: '/auth/login' }),
  )
  expect(veil.stderr).not.toMatch(/correct horse|admin@veil\.local|ssssssss|tttttttt/)
})
