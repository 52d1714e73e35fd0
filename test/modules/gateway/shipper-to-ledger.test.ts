import { appendFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { deadLetters, events } from '#db/schema/queue'
import { usageCounters, usageRecords } from '#db/schema/usage'
import { systemClock } from '#infra/clock'
import { createLogger } from '#infra/logger'
import { Worker } from '#infra/queue'
import { registerUsage } from '#modules/usage'
import { freshDatabase, type TestDatabase } from '#test/database'
import { eventually } from '#test/poll'
import { type SeededSubscription, seedSubscription } from '#test/seed'
import { startUsageApi, TOKEN } from '../usage/usage-api'
import { logLine } from './access-log-lines'

let database: TestDatabase
let worker: Worker
let api: ReturnType<typeof Bun.serve>
let subscription: SeededSubscription
let folder: string
let log: string
let shipper: ReturnType<typeof startShipper>

beforeAll(async () => {
  database = await freshDatabase()
  subscription = await seedSubscription(database.db)
  const { app } = startUsageApi(database, systemClock)
  api = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: (request) => app.handle(request) })
  worker = new Worker({ database, logger: createLogger('silent') })
  registerUsage(worker, database, systemClock)
  await worker.start()
})
afterAll(async () => {
  await worker.stop()
  await api.stop(true)
  await database.drop()
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veil-shipper-'))
  log = join(folder, 'usage.log')
  shipper = startShipper()
})
afterEach(async () => {
  await kill()
  rmSync(folder, { recursive: true, force: true })
})

function startShipper() {
  const options = {
    ...{ gatewayId: 'gateway-1', logPath: log, journalPath: join(folder, 'shipper.journal') },
    ...{ url: `http://127.0.0.1:${api.port}`, token: TOKEN, pollMs: 5 },
  }
  const script = join(import.meta.dirname, 'shipper-process.ts')
  return Bun.spawn([process.execPath, script, JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}

async function kill() {
  shipper.kill('SIGKILL')
  await shipper.exited
}

const line = () => logLine({ keyId: subscription.keyId.slice('key_'.length) })

const counted = async () => (await database.db.select().from(usageCounters))[0]?.calls ?? 0

test('killed again and again, with rotation: every call once, numbers without a gap', async () => {
  let written = 0
  for (let round = 0; round < 8; round++) {
    for (let n = 0; n < 150; n++, written++) appendFileSync(log, line())
    const before = await counted()
    // Wherever it is now: reading, posting, or between the answer and the checkpoint.
    await eventually(async () => (await counted()) > before, 'some calls counted')
    await kill()
    if (round % 3 === 1) renameSync(log, join(folder, `usage-2026-01-0${round}.log`))
    for (let n = 0; n < 50; n++, written++) appendFileSync(log, line())
    shipper = startShipper()
  }
  await eventually(async () => (await counted()) >= written, 'all calls counted', 20_000)
  await eventually(async () => (await database.db.$count(events)) === 0, 'an empty queue')
  expect(await counted()).toBe(written)
  expect(await database.db.$count(deadLetters)).toBe(0)
  const rows = await database.db.select({ sequence: usageRecords.sequence }).from(usageRecords)
  const sequences = rows.map(({ sequence }) => sequence).sort((a, b) => a - b)
  expect(sequences).toEqual(Array.from({ length: written }, (_, n) => n + 1))
})
