import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildCron } from '#app/background'
import { EdgeClient } from '#modules/gateway'
import { eventually, type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let consumer: TestUser
let subscriptionId: string
let keyId: string

beforeAll(async () => {
  veil = await TestVeil.start()
  consumer = await veil.user('consumer')
  const provider = await veil.user('provider')
  const upstreamUrl = 'http://127.0.0.1:9'
  const api = await veil.publishedApi(provider, { slug: 'verified', upstreamUrl })
  const subscription = await veil.subscribe(consumer, api)
  ;[subscriptionId, keyId] = [subscription.id, subscription.keyId]
})
afterAll(() => veil.stop())

const send = (path: string, body?: unknown) =>
  veil.expectOk('POST', `/api-keys${path}`, { token: consumer.token, body })
/** As if a minute had passed: what is younger is not looked at. */
const verify = async () => {
  await veil.container.sql`update api_keys set updated_at = updated_at - interval '2 minutes'`
  return buildCron(veil.container).runNow('key-verification')
}
/** The row with its triggers off: a change that no edge hears of. */
const changeUnheard = (set: string) =>
  veil.container.sql.begin(async (sql) => {
    await sql.unsafe('alter table api_keys disable trigger user')
    await sql.unsafe(`update api_keys set ${set} where id = '${keyId.slice(4)}'`)
    await sql.unsafe('alter table api_keys enable trigger user')
  })
const failures = () => veil.logs.filter((line) => line.includes('key.verification-failed'))

test('an edge that knows what the database knows is verified, with nothing counted', async () => {
  const revoked = await send('', { subscriptionId, name: 'revoked' })
  await send(`/${revoked.id}/revoke`)
  const replaced = await send('', { subscriptionId, name: 'replaced' })
  await send(`/${replaced.id}/regenerate`)
  await eventually(verify, (counts) => counts.verified === 4 && counts.wrong === 0)
  expect(failures()).toEqual([])
})

test.each([
  ['lets a key pass that is revoked', "status = 'revoked'", "status = 'active'"],
  [
    'has another hash',
    "secret_hash = decode(repeat('00', 32), 'hex')",
    (hash: string) => `secret_hash = decode('${hash}', 'hex')`,
  ],
])('an edge that %s is found', async (_, change, restore) => {
  const [row] = await veil.container.sql`select encode(secret_hash, 'hex') as hash from api_keys
    where id = ${keyId.slice(4)}`
  const before = failures().length
  await changeUnheard(change)
  expect(await buildCron(veil.container).runNow('key-verification')).toMatchObject({ wrong: 1 })
  expect(failures()).toHaveLength(before + 1)
  expect(failures().at(-1)).toContain(keyId)
  await changeUnheard(typeof restore === 'string' ? restore : restore(row?.hash))
  expect(await verify()).toMatchObject({ wrong: 0 })
})

test('a gateway that lacks a key in force, or lets one through that is over, is found', async () => {
  const misplaced = () => veil.logs.filter((line) => line.includes('key.misplaced'))
  await veil.container.pusher.push()
  expect(await verify()).toMatchObject({ misplaced: 0 })
  const other = await send('', { subscriptionId, name: 'over soon' })
  // Behind the back of the gateway, and so that the edges hear of it.
  await veil.container.sql`update api_keys set status = 'revoked' where id = ${other.id.slice(4)}`
  await eventually(verify, (counts) => counts.wrong === 0 && counts.misplaced === 1)
  expect(misplaced().at(-1)).toContain(other.id)
  await veil.container.pusher.push()
  await veil.container.sql`update api_keys set status = 'active' where id = ${other.id.slice(4)}`
  await eventually(verify, (counts) => counts.wrong === 0 && counts.misplaced === 1)
  await veil.container.pusher.push()
  expect(await verify()).toMatchObject({ misplaced: 0 })
})

test('an edge that is away is not taken for one that refuses', async () => {
  const { edgeCertificate } = veil.container
  const edges = new EdgeClient(['127.0.0.1:9', ...veil.container.edges.dials], edgeCertificate)
  const counts = await buildCron({ ...veil.container, edges }).runNow('key-verification')
  expect(counts).toMatchObject({ wrong: 0, unanswered: 1 })
  expect(counts.verified).toBeGreaterThan(0)
})

test('says nothing to whoever does not know the hash', async () => {
  const [dial = ''] = veil.container.edges.dials
  const [row] = await veil.container.sql`select 'api_' || replace(api_id::text, '-', '') as "apiId"
    from api_keys where id = ${keyId.slice(4)}`
  const secretHash = new Uint8Array(32)
  const known = { id: keyId, apiId: row?.apiId, secretHash }
  expect(await veil.container.edges.standing(dial, known)).toBe('key_not_accepted')
  const unknown = { ...known, id: 'key_000000000000' }
  expect(await veil.container.edges.standing(dial, unknown)).toBe('key_not_accepted')
})
