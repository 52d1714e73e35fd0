import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import postgres from 'postgres'
import { migrate } from '#db/migrate'
import { systemClock } from '#infra/clock'
import { findCaddy, SetupError, startPostgres } from '#infra/embedded'
import { TEMPLATE } from './database'

/** One Postgres for the whole run, and a Caddy for every worker to start: fetched once, before any of them asks. */
export async function setup(): Promise<() => Promise<void>> {
  try {
    process.env.CADDY_BIN = await caddyBinary()
    return await startDatabase()
  } catch (error) {
    if (error instanceof SetupError) throw new Error(`${error.message}. ${error.mend}`)
    throw error
  }
}

async function caddyBinary(): Promise<string> {
  const found = await findCaddy({
    ...(process.env.CADDY_BIN && { caddyBin: process.env.CADDY_BIN }),
    dataDir: resolve('.veil'),
    permitPackageManager: process.env.PERMIT_PACKAGE_MANAGER !== 'false',
    onProgress: (message) => console.log(`${message} …`),
  })
  console.log(`Caddy ${found.version} (${found.path})`)
  return found.path
}

/** Durability is off, since nothing here outlives the run. */
async function startDatabase(): Promise<() => Promise<void>> {
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
