import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { migrate } from '#db/migrate'
import { systemClock } from '#infra/clock'
import { startPostgres } from '#infra/embedded'
import { TEMPLATE } from './database'

/** One Postgres for the whole run; durability is off, since nothing here outlives the run. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'veil-test-'))
  const server = await startPostgres({
    dataDir: join(folder, 'postgres'),
    flags: [
      ['fsync', 'off'],
      ['full_page_writes', 'off'],
      ['synchronous_commit', 'off'],
      ['max_connections', '200'],
    ].flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  })
  process.env.TEST_POSTGRES_URL = server.url
  const admin = postgres(server.url, { max: 1 })
  await admin.unsafe(`create database ${TEMPLATE}`)
  await admin.end()
  const template = new URL(server.url)
  template.pathname = `/${TEMPLATE}`
  await migrate(template.href, systemClock)
  return async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
