import { Glob } from 'bun'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildWorker } from '#app/background'
import { readConfig } from '#app/config'
import { buildContainer } from '#app/container'
import { createLogger } from '#infra/logger'
import { freshDatabase, type TestDatabase } from '#test/database'

let database: TestDatabase
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())

/** Where the name of an event stands: as the first argument of its definition. */
const DEFINITION = /\bdefineEvent\(\s*(?:'([^']+)'|([^\s'),][^),]*))/g

/** Every event that the sources define. */
async function definedEvents(): Promise<string[]> {
  const names: string[] = []
  for await (const file of new Glob('src/**/*.ts').scan()) {
    if (file.endsWith('infra/queue/event.ts')) continue
    for (const [, name, other] of (await Bun.file(file).text()).matchAll(DEFINITION))
      names.push(name ?? `${file}: ${other} is not a name in quotes`)
  }
  return names.sort()
}

test('every event that is defined has a handler, and nothing else has one', async () => {
  const container = buildContainer({
    config: readConfig({ NODE_ENV: 'test' }),
    ...{ database, logger: createLogger('silent'), gatewayAdminUrls: ['http://127.0.0.1:2019'] },
    secrets: { secret: 's'.repeat(32), usageTokens: ['t'.repeat(32)] },
  })
  const defined = await definedEvents()
  expect(defined).toContain('usage.batch-received')
  expect(buildWorker(container).types.toSorted()).toEqual(defined)
})
