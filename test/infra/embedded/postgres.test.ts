import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../../src/infra/embedded/ports'
import { startPostgres } from '../../../src/infra/embedded/postgres'
import { findPostgresBinaries } from '../../../src/infra/embedded/postgres-binaries'
import { isAlive, query, runPostgres, setupErrorOf, temporaryFolder } from './support'

async function occupy(port: number): Promise<Server> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return server
}

test('starts from nothing, keeps its data, its password and its port', async () => {
  const dataDir = join(temporaryFolder(), 'new', 'db')
  const progress: string[] = []
  const onProgress = (message: string) => void progress.push(message)

  const first = await runPostgres({ dataDir, onProgress })
  await query(first, 'create table note as select 42 as answer')
  await first.stop()
  expect(isAlive(first.pid)).toBe(false)

  const second = await runPostgres({ dataDir, onProgress })
  expect(await query(second, 'select answer from note')).toEqual([{ answer: 42 }])
  expect(second.url).toBe(first.url)
  expect(progress).toEqual(['Creating the database (first start only)'])
})

test('serves over its Unix socket', async () => {
  const running = await runPostgres({ dataDir: join(temporaryFolder(), 'db') })
  const rows = await query(running, 'select inet_client_addr() as address', {
    ...(running.socketPath && { path: running.socketPath }),
  })
  expect(rows).toEqual([{ address: null }])
})

test('keeps the password to itself and refuses a wrong one', async () => {
  const dataDir = join(temporaryFolder(), 'db')
  const running = await runPostgres({ dataDir })
  const password = readFileSync(`${dataDir}.password`, 'utf8').trim()
  expect(statSync(`${dataDir}.password`).mode & 0o777).toBe(0o600)
  expect(statSync(dataDir).mode & 0o777).toBe(0o700)
  const wrong = { url: running.url.replace(password, 'guess') }
  await expect(query(wrong, 'select 1')).rejects.toMatchObject({ code: '28P01' })
})

test('sets a new password when the file was lost', async () => {
  const dataDir = join(temporaryFolder(), 'db')
  const first = await runPostgres({ dataDir })
  await first.stop()
  rmSync(`${dataDir}.password`)
  const second = await runPostgres({ dataDir })
  expect(second.url).not.toBe(first.url)
  expect(await query(second, 'select 1 as one')).toEqual([{ one: 1 }])
})

test('applies the flags it is given', async () => {
  const running = await runPostgres({
    dataDir: join(temporaryFolder(), 'db'),
    flags: ['-c', 'fsync=off', '-c', 'work_mem=7MB'],
  })
  expect(await query(running, 'show work_mem')).toEqual([{ work_mem: '7MB' }])
})

test('takes another port when its last one is taken, but refuses a demanded one', async () => {
  const dataDir = join(temporaryFolder(), 'db')
  const first = await runPostgres({ dataDir })
  await first.stop()
  await occupy(first.port)

  const error = await setupErrorOf(startPostgres({ dataDir, port: first.port }))
  expect(error.code).toBe('postgres-port-taken')
  expect(error.message).toContain(String(first.port))

  const second = await runPostgres({ dataDir })
  expect(second.port).not.toBe(first.port)
  expect(await query(second, 'select 1 as one')).toEqual([{ one: 1 }])
})

test('listens on a demanded port', async () => {
  const port = await freePort()
  const running = await runPostgres({ dataDir: join(temporaryFolder(), 'db'), port })
  expect(running.port).toBe(port)
})

test('leaves the database of a living Veil alone', async () => {
  const dataDir = join(temporaryFolder(), 'db')
  const running = await runPostgres({ dataDir })
  const error = await setupErrorOf(startPostgres({ dataDir }))
  expect(error.code).toBe('already-running')
  expect(error.message).toContain(String(process.pid))
  expect(await query(running, 'select 1 as one')).toEqual([{ one: 1 }])
})

test('does not touch a folder that holds something else', async () => {
  const dataDir = temporaryFolder()
  writeFileSync(join(dataDir, 'letter.txt'), 'dear reader')
  const error = await setupErrorOf(startPostgres({ dataDir: `${dataDir}` }))
  expect(error.code).toBe('postgres-data')
  expect(existsSync(join(dataDir, 'letter.txt'))).toBe(true)
  rmSync(`${dataDir}.password`)
})

test("passes on Postgres' own words when it does not start", async () => {
  const dataDir = join(temporaryFolder(), 'db')
  const error = await setupErrorOf(startPostgres({ dataDir, flags: ['-c', 'no_such_setting=1'] }))
  expect(error.code).toBe('postgres-failed')
  expect(error.message).toContain('no_such_setting')
})

test('says what to do where there are no binaries', async () => {
  const error = await setupErrorOf(findPostgresBinaries('plan9-mips'))
  expect(error.code).toBe('postgres-unavailable')
  expect(error.mend).toContain('DATABASE_URL')
})
