import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { ConfigError, readConfig } from '#app/config'

function mistakesOf(environment: Record<string, string>): string[] {
  try {
    readConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes
    throw error
  }
  return []
}

const production = {
  NODE_ENV: 'production',
  VEIL_SECRET: 's'.repeat(32),
  DATABASE_URL: 'postgres://veil:secret@db/veil',
  ADMIN_PASSWORD: 'correct horse',
  USAGE_TOKENS: 't'.repeat(32),
}

test('nothing has to be set', () => {
  expect(readConfig({})).toMatchObject({
    production: false,
    roles: ['api', 'worker', 'cron', 'edge'],
    ...{ host: '127.0.0.1', port: 3000, url: 'http://localhost:3000', logLevel: 'warn' },
    database: { url: null, port: null },
    gateway: {
      ...{ adminUrls: null, listen: ['127.0.0.1:8080'], publicUrl: 'http://localhost:8080' },
      ...{ permitPackageManager: true, allowPrivateUpstreams: true },
    },
    edge: { port: 3001, dials: [`unix/${resolve('.veil/edge.sock')}`] },
    metrics: { port: null },
    usage: { url: 'http://127.0.0.1:3000' },
  })
})

test('an empty variable is one that was not set', () => {
  expect(readConfig({ PORT: '', DATABASE_URL: '', VEIL_ROLES: '' })).toEqual(readConfig({}))
})

test.each([
  ['0.0.0.0', '0.0.0.0:8080', '127.0.0.1:3001', 'http://localhost:3000'],
  ['192.168.1.5', '192.168.1.5:8080', '192.168.1.5:3001', 'http://192.168.1.5:3000'],
  ['::1', '[::1]:8080', '[::1]:3001', 'http://[::1]:3000'],
])('VEIL_HOST=%s: where it listens and where it is reached', (host, listen, dial, url) => {
  const outside = { GATEWAY_ADMIN_URLS: 'http://gateway:2019' }
  const config = readConfig({ VEIL_HOST: host, ...outside })
  expect([config.gateway.listen, config.edge.dials, config.url]).toEqual([[listen], [dial], url])
})

test('the edge has a socket for a Caddy of our own, unless its path is too long or it is told otherwise', () => {
  const socketOf = (environment: Record<string, string>) => readConfig(environment).edge.socket
  expect(socketOf({ VEIL_DATA_DIR: '/var/veil' })).toBe('/var/veil/edge.sock')
  expect(socketOf({ VEIL_DATA_DIR: `/${'x'.repeat(89)}` })).not.toBeNull()
  const long = { VEIL_DATA_DIR: `/${'x'.repeat(90)}` }
  expect(socketOf(long)).toBeNull()
  expect(readConfig(long).edge.dials).toEqual(['127.0.0.1:3001'])
  expect(socketOf({ EDGE_DIALS: '10.0.0.1:3001' })).toBeNull()
  expect(socketOf({ GATEWAY_ADMIN_URLS: 'http://gateway:2019' })).toBeNull()
})

test('production takes what it is given, logs requests and keeps away from private addresses', () => {
  expect(readConfig(production)).toMatchObject({
    ...{ production: true, logLevel: 'info', gateway: { allowPrivateUpstreams: false } },
  })
})

test('production is no sandbox', () => {
  expect(readConfig({ VEIL_SANDBOX: 'true' }).sandbox).toBe(true)
  expect(mistakesOf({ ...production, VEIL_SANDBOX: 'true' })).toEqual([
    'VEIL_SANDBOX: must not be true when NODE_ENV=production',
  ])
})

test('production without its secrets names all of them, beside the other mistakes', () => {
  const names = (environment: Record<string, string>) =>
    mistakesOf(environment).map((mistake) => mistake.split(':')[0])
  expect(names({ NODE_ENV: 'production', PORT: 'x' })).toEqual([
    ...['PORT', 'VEIL_SECRET', 'DATABASE_URL', 'ADMIN_PASSWORD', 'USAGE_TOKENS'],
  ])
})

test.each([
  ['PORT', '0'],
  ['PORT', '65536'],
  ['PORT', '80.5'],
  ['NODE_ENV', 'staging'],
  ['VEIL_ROLES', 'api,cook'],
  ['VEIL_ROLES', ','],
  ['DATABASE_URL', 'mysql://veil@db/veil'],
  ['DATABASE_URL', 'postgres://veil:a#b/c@db:54x/veil'],
  ['GATEWAY_ADMIN_URLS', 'caddy:2019'],
  ['GATEWAY_LISTEN', '8080'],
  ['GATEWAY_ID', 'Gateway 1'],
  ['KEY_HEADER', 'X API Key'],
  ['USAGE_TOKENS', `${'t'.repeat(32)},short`],
  ['USAGE_RETENTION_DAYS', '61'],
  ['USAGE_BACKLOG_LIMIT', '999'],
  ['PERMIT_PACKAGE_MANAGER', 'yes'],
  ['VEIL_SECRET', 'short'],
  ['ADMIN_EMAIL', 'admin'],
  ['ADMIN_PASSWORD', 'short'],
  ['LOG_LEVEL', 'loud'],
  ['SMTP_URL', 'https://mail.example.com'],
  ['MAIL_FROM', 'Veil'],
  ['STRIPE_API_BASE', 'stripe'],
  ['PAYMENT_RETURN_URL', 'shop'],
  ['MAIL_FROM', 'Veil <a@b.example>, c@d.example'],
])('%s=%s is refused once, by name and with the rule, without its value', (name, value) => {
  const mistakes = mistakesOf({ [name]: value })
  expect(mistakes).toHaveLength(1)
  expect(mistakes[0]).toMatch(new RegExp(`^${name}: must `))
  if (name !== 'PORT') expect(mistakes[0]).not.toContain(`"${value}"`)
})

test('two servers of one process cannot share a port; those of others may', () => {
  expect(mistakesOf({ EDGE_PORT: '3000' })).toEqual([
    'EDGE_PORT: must not be the port of PORT (3000) as well',
  ])
  expect(mistakesOf({ METRICS_PORT: '8080' })).toEqual([
    'METRICS_PORT: must not be the port of GATEWAY_PORT (8080) as well',
  ])
  expect(mistakesOf({ PORT: '8080', GATEWAY_ADMIN_URLS: 'http://caddy:2019' })).toEqual([])
  expect(mistakesOf({ EDGE_PORT: '3000', VEIL_ROLES: 'edge' })).toEqual([])
})

test('Stripe needs both of its secrets, and neither is repeated when it is wrong', () => {
  const [STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET] = ['sk_test_1', 'whsec_1']
  expect(readConfig({}).stripe).toBeNull()
  expect(mistakesOf({ STRIPE_SECRET_KEY })).toEqual([
    'STRIPE_WEBHOOK_SECRET: must be set when STRIPE_SECRET_KEY is',
  ])
  expect(mistakesOf({ STRIPE_WEBHOOK_SECRET })).toEqual([
    'STRIPE_SECRET_KEY: must be set when STRIPE_WEBHOOK_SECRET is',
  ])
  const wrong = { STRIPE_SECRET_KEY: 'pk_public', STRIPE_WEBHOOK_SECRET: 'secret' }
  expect(mistakesOf(wrong)).toHaveLength(2)
  expect(mistakesOf(wrong).join()).not.toContain('pk_public')
  expect(readConfig({ STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET }).stripe).toEqual({
    ...{ secretKey: 'sk_test_1', webhookSecret: 'whsec_1', apiBase: 'https://api.stripe.com' },
  })
})

test('a mail server needs a sender, and a sender may have a name', () => {
  const SMTP_URL = 'smtps://user:pass@mail.example.com'
  expect(readConfig({}).mail).toBeNull()
  expect(mistakesOf({ SMTP_URL })).toEqual(['MAIL_FROM: must be set when SMTP_URL is'])
  for (const from of ['veil@example.com', 'Veil of Ada <veil@example.com>'])
    expect(readConfig({ SMTP_URL, MAIL_FROM: from }).mail).toEqual({ smtpUrl: SMTP_URL, from })
})

test('an e-mail address is compared in small letters', () => {
  expect(readConfig({ ADMIN_EMAIL: ' Admin@Example.com ' }).admin.email).toBe('admin@example.com')
})
