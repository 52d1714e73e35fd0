import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connect, type Database } from '#db/client'
import { apiKeys } from '#db/schema/keys'
import { createLogger } from '#infra/logger'
import { generateApiKey } from '#lib/api-key'
import { freshDatabase, type TestDatabase } from '#test/database'
import { eventually } from '#test/poll'
import { type SeededSubscription, seedSubscription } from '#test/seed'
import { TcpProxy } from '#test/tcp-proxy'
import { Authorizer } from '../../../src/modules/gateway/authorize'
import { EdgeLoader } from '../../../src/modules/gateway/edge-loader'
import { SnapshotKeeper } from '../../../src/modules/gateway/edge-snapshots'
import { EdgeState } from '../../../src/modules/gateway/edge-state'

const SECRET = generateApiKey(randomBytes)

let database: TestDatabase
let proxy: TcpProxy
let folder: string
let path: string
let seeded: SeededSubscription
let logs: string[]
let stops: (() => Promise<unknown>)[]

beforeEach(async () => {
  database = await freshDatabase()
  proxy = await TcpProxy.start(database.port)
  folder = mkdtempSync(join(tmpdir(), 'veil-edge-'))
  path = join(folder, 'edge.snapshot')
  seeded = await seedSubscription(database.db)
  await database.db
    .update(apiKeys)
    .set({ id: `key_${SECRET.id}`, secretHash: Buffer.from(SECRET.hash) })
    .where(eq(apiKeys.id, seeded.keyId))
  logs = []
  stops = []
})
afterEach(async () => {
  for (const stop of stops.reverse()) await stop()
  await proxy.stop()
  await database.drop()
  rmSync(folder, { recursive: true })
})

/** An edge that reaches Postgres through the proxy only. */
async function startEdge() {
  const url = new URL(database.url)
  url.hostname = '127.0.0.1'
  url.port = String(proxy.port)
  const own: Database = connect({ url: url.href, maxConnections: 4 })
  stops.push(() => own.close())
  const sink = new Writable({
    write: (line, _encoding, done) => {
      logs.push(String(line))
      done()
    },
  })
  const logger = createLogger('info', sink)
  const state = new EdgeState()
  const loader = new EdgeLoader(own.sql, state, logger, new SnapshotKeeper(path, state, logger))
  await loader.start()
  stops.push(() => loader.stop())
  const authorizer = new Authorizer(state)
  const call = () => authorizer.authorize({ key: SECRET.key, apiId: seeded.apiId }, Date.now())
  return { loader, call }
}

const setStatus = (status: 'active' | 'revoked') =>
  database.db
    .update(apiKeys)
    .set({ status })
    .where(eq(apiKeys.id, `key_${SECRET.id}`))

test('restarted without Postgres it answers, and refuses what was revoked meanwhile once Postgres is back', async () => {
  const first = await startEdge()
  expect(first.call().admitted).toBe(true)
  await first.loader.stop()
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readFileSync(path).includes(SECRET.key.slice(-20))).toBe(false)

  proxy.takeAway()
  const second = await startEdge()
  expect(second.call().admitted).toBe(true)
  expect(second.loader.isCurrent).toBe(false)
  await setStatus('revoked')
  expect(second.call().admitted).toBe(true)

  proxy.bringBack()
  await eventually(() => !second.call().admitted, 'the key is refused', 1_000)
  await eventually(() => second.loader.isCurrent, 'the edge is current')
  expect(second.call()).toMatchObject({ code: 'key_revoked' })
})

test('with Postgres away it goes on, and finds what changed when it is back', async () => {
  const { loader, call } = await startEdge()
  proxy.takeAway()
  await eventually(() => !loader.isCurrent, 'it notices', 3_000)
  expect(call().admitted).toBe(true)
  await setStatus('revoked')
  proxy.bringBack()
  await eventually(() => !call().admitted, 'the key is refused', 1_000)
})

test('a change that nobody announced is found by looking', async () => {
  const { call } = await startEdge()
  await database.sql`drop trigger api_keys_notify on api_keys`
  await setStatus('revoked')
  await eventually(() => !call().admitted, 'the key is refused', 3_000)
})

test.each<[string, (snapshot: Buffer) => Buffer, string]>([
  ['cut off', (snapshot) => snapshot.subarray(0, -1), 'checksum'],
  ['with one bit turned', (snapshot) => turned(snapshot), 'checksum'],
  ['empty', () => Buffer.alloc(0), 'checksum'],
  ['of another format', (snapshot) => ofAnotherFormat(snapshot), 'format'],
])('a snapshot that is %s is ignored with a warning', async (_name, damage, reason) => {
  const first = await startEdge()
  await first.loader.stop()
  writeFileSync(path, damage(readFileSync(path)))
  proxy.takeAway()
  await expect(startEdge()).rejects.toThrow()
  expect(logs.join('')).toMatch(new RegExp(`${reason}.*edge.snapshot-ignored`))
  proxy.bringBack()
  expect((await startEdge()).call().admitted).toBe(true)
})

test('nothing is saved over a snapshot by an edge that never had anything', async () => {
  const first = await startEdge()
  await first.loader.stop()
  const before = readFileSync(path)
  const state = new EdgeState()
  const logger = createLogger('error')
  const keeper = new SnapshotKeeper(path, state, logger)
  await new EdgeLoader(database.sql, state, logger, keeper).stop()
  expect(readFileSync(path).equals(before)).toBe(true)
})

function turned(snapshot: Buffer): Buffer {
  const copy = Buffer.from(snapshot)
  const middle = copy.byteLength >> 1
  copy[middle] = (copy[middle] ?? 0) ^ 1
  return copy
}

function ofAnotherFormat(snapshot: Buffer): Buffer {
  const body = snapshot.subarray(0, -32)
  const changed = Buffer.from(body.toString('latin1').replace('snapshot/1', 'snapshot/0'), 'latin1')
  const sum = new Bun.CryptoHasher('sha256').update(changed).digest()
  return Buffer.concat([changed, sum])
}
