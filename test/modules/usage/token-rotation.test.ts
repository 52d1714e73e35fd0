import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildApp } from '#app/app'
import { readConfig } from '#app/config'
import { buildContainer } from '#app/container'
import { secretsOf } from '#app/secrets'
import { createLogger } from '#infra/logger'
import type { Id } from '#lib/id'
import { freshDatabase, type TestDatabase } from '#test/database'
import { seedSubscription } from '#test/seed'
import { makeCall } from './make-call'

const [OLD, NEW] = ['old-token-'.repeat(4), 'new-token-'.repeat(4)]

let database: TestDatabase
let keyId: Id<'key'>
beforeAll(async () => {
  database = await freshDatabase()
  keyId = (await seedSubscription(database.db)).keyId
})
afterAll(() => database.drop())

/** One of several processes of an installation, started with these tokens. */
function startApi(tokens: string) {
  const config = readConfig({ NODE_ENV: 'test', USAGE_TOKENS: tokens, VEIL_SECRET: 's'.repeat(32) })
  const secrets = secretsOf(config)
  const gatewayAdminUrls = ['http://127.0.0.1:2019']
  const logger = createLogger('silent')
  const app = buildApp(buildContainer({ config, database, logger, secrets, gatewayAdminUrls }))
  const post = async (token: string) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ events: [makeCall(keyId)] })
    const request = new Request('http://localhost/usage/events', { method: 'POST', headers, body })
    return (await app.handle(request)).status
  }
  return { post, sent: secrets.usageTokens[0] }
}

test('a token is replaced without a gap: both are valid meanwhile, the old one is refused when it is gone', async () => {
  const before = startApi(OLD)
  expect([await before.post(OLD), await before.post(NEW)]).toEqual([202, 401])
  const during = startApi(`${NEW},${OLD}`)
  expect([await during.post(OLD), await during.post(NEW)]).toEqual([202, 202])
  // Our own shipper sends the new one from the first of the two restarts on.
  expect(during.sent).toBe(NEW)
  const after = startApi(NEW)
  expect([await after.post(OLD), await after.post(NEW)]).toEqual([401, 202])
  expect(await after.post(`${NEW},${OLD}`)).toBe(401)
})
