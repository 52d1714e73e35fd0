import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { findCaddy } from '../../../src/infra/embedded/caddy-binary'
import {
  type CaddyOptions,
  type RunningCaddy,
  startCaddy,
} from '../../../src/infra/embedded/caddy-process'
import { freePort } from '../../../src/infra/embedded/ports'
import {
  checkout,
  isAlive,
  pathWithoutDeathSignal,
  setupErrorOf,
  startOwner,
  temporaryFolder,
  until,
} from './support'

let binary: string

beforeAll(async () => {
  const { CADDY_BIN: caddyBin } = process.env
  const found = await findCaddy({
    dataDir: join(checkout, '.veil'),
    permitPackageManager: true,
    ...(caddyBin && { caddyBin }),
  })
  binary = found.path
}, 180_000)

interface Site {
  options: CaddyOptions
  url: string
  folder: string
}

/** A Caddyfile with one site that greets with an environment variable. */
async function makeSite(sitePort?: number): Promise<Site> {
  const folder = temporaryFolder()
  const [admin, site] = [await freePort(), sitePort ?? (await freePort())]
  const caddyfile = join(folder, 'Caddyfile')
  const content = `{
    admin 127.0.0.1:${admin}
    auto_https off
  }
  http://127.0.0.1:${site} {
    respond "hello {$WHO}"
  }
  `
  writeFileSync(caddyfile, content)
  const adminUrl = `http://127.0.0.1:${admin}`
  const options = {
    binary,
    caddyfile,
    adminUrl,
    env: { WHO: 'world' },
    dataDir: join(folder, 'data'),
  }
  return { options, url: `http://127.0.0.1:${site}`, folder }
}

async function run(options: CaddyOptions): Promise<RunningCaddy> {
  const running = await startCaddy(options)
  onTestFinished(() => running.stop())
  return running
}

const greeting = async (url: string): Promise<string> =>
  (await fetch(url, { keepalive: false })).text()

async function occupy(port: number): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
}

test('serves its Caddyfile from the moment it is started until it is stopped', async () => {
  const { options, url } = await makeSite()
  const log: string[] = []
  const first = await run({ ...options, log: (line) => void log.push(line) })
  expect(await greeting(url)).toBe('hello world')
  expect(log.length).toBeGreaterThan(0)

  await first.stop()
  expect(isAlive(first.pid)).toBe(false)
  await expect(fetch(url)).rejects.toThrow()

  await run(options)
  expect(await greeting(url)).toBe('hello world')
})

test('says so when a port of its sites is taken', async () => {
  const port = await freePort()
  await occupy(port)
  const { options } = await makeSite(port)
  const error = await setupErrorOf(startCaddy(options))
  expect(error.code).toBe('caddy-port-taken')
  expect(error.message).toContain(String(port))
})

test('does not mistake another Caddy on its admin address for its own', async () => {
  const [one, two] = [await makeSite(), await makeSite()]
  await run(one.options)
  const error = await setupErrorOf(startCaddy({ ...two.options, adminUrl: one.options.adminUrl }))
  expect(error.code).toBe('caddy-port-taken')
  expect(error.message).toContain(`Port ${new URL(one.options.adminUrl).port} is taken`)
})

test("passes on Caddy's own words about a wrong Caddyfile", async () => {
  const { options } = await makeSite()
  writeFileSync(options.caddyfile, ':80 {\n  no_such_directive\n}\n')
  const error = await setupErrorOf(startCaddy(options))
  expect(error.code).toBe('caddy-failed')
  expect(error.message).toContain('no_such_directive')
})

test('leaves the gateway of a living Veil alone', async () => {
  const { options, url } = await makeSite()
  await run(options)
  const error = await setupErrorOf(startCaddy(options))
  expect(error.code).toBe('already-running')
  expect(await greeting(url)).toBe('hello world')
})

test('reports that it was killed, and starts again', async () => {
  const { options, url } = await makeSite()
  const first = await run(options)
  process.kill(first.pid, 'SIGKILL')
  expect(await first.exited).toMatchObject({ signal: 'SIGKILL' })
  await run(options)
  expect(await greeting(url)).toBe('hello world')
})

test('stops with its owner where the kernel can see to it', async () => {
  const { options, url } = await makeSite()
  const owner = await startOwner('caddy', options)
  await owner.kill()
  const dies = process.platform === 'linux' && Bun.which('setpriv') !== null
  if (dies) await until('Caddy follows its owner', () => !isAlive(owner.server.pid))
  await run(options)
  expect(await greeting(url)).toBe('hello world')
})

test('stops the orphan of a killed owner', async () => {
  const { options, url, folder } = await makeSite()
  const path = pathWithoutDeathSignal(folder)
  const owner = await startOwner('caddy', { ...options, env: { WHO: 'orphan' } }, { path })
  await owner.kill()
  expect(await greeting(url)).toBe('hello orphan')

  await run(options)
  expect(isAlive(owner.server.pid)).toBe(false)
  expect(await greeting(url)).toBe('hello world')
})

test('leaves a program alone that now has the pid of its pid file', async () => {
  const { options, url } = await makeSite()
  const first = await run(options)
  await first.stop()
  writeFileSync(join(options.dataDir, 'caddy', 'caddy.pid'), String(process.pid))
  await run(options)
  expect(await greeting(url)).toBe('hello world')
})
