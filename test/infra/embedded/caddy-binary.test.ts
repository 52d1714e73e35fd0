import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type FindCaddyOptions, findCaddy } from '../../../src/infra/embedded/caddy-binary'
import { CADDY_RELEASE } from '../../../src/infra/embedded/caddy-download'
import { isNewEnough, parseCaddyVersion } from '../../../src/infra/embedded/caddy-version'
import { runCommand } from '../../../src/infra/embedded/command'
import { setupErrorOf, temporaryFolder } from './support'

/** A program that answers `version` as Caddy would. */
function fakeCaddy(path: string, version: string, mode = 0o755): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `#!/bin/sh\necho "v${version} h1:abc="\n`, { mode })
  return path
}

/** Options that reach neither the network nor the machine's own Caddy. */
function offline(dataDir: string, more: Partial<FindCaddyOptions> = {}): FindCaddyOptions {
  return { dataDir, permitPackageManager: false, releases: null, searchPath: '', ...more }
}

test.each([
  ['v2.11.7 h1:yj0Y4fYZGPkSvibBJ1sTWE33xC0fxztVyXEW5iIdUT4=', '2.11.7'],
  ['2.6.2\n', '2.6.2'],
  ['v2.8.0-beta.1 h1:x', '2.8.0'],
  ['unknown', null],
  ['', null],
])('reads the version out of %j', (output, version) => {
  expect(parseCaddyVersion(output)).toBe(version)
})

test.each([
  ['1.99.0', false],
  ['2.5.9', false],
  ['2.6.0', true],
  ['2.10.1', true],
  ['3.0.0', true],
])('version %s is new enough: %s', (version, expected) => {
  expect(isNewEnough(version)).toBe(expected)
})

test('takes CADDY_BIN before PATH, PATH before the folder, the folder before the cache', async () => {
  const folder = temporaryFolder()
  const dataDir = join(folder, 'data')
  const caddyBin = fakeCaddy(join(folder, 'mine'), '2.7.1')
  const onPath = fakeCaddy(join(folder, 'path', 'caddy'), '2.7.2')
  const kept = fakeCaddy(join(dataDir, 'bin', 'caddy'), '2.7.3')
  const cached = fakeCaddy(join(folder, 'cache', 'caddy'), '2.7.4')
  const cacheDirs = [join(folder, 'nothing-here'), dirname(cached)]
  const searchPath = dirname(onPath)

  expect([
    await findCaddy(offline(dataDir, { caddyBin, searchPath, cacheDirs })),
    await findCaddy(offline(dataDir, { searchPath, cacheDirs })),
    await findCaddy(offline(dataDir, { cacheDirs })),
    await findCaddy(offline(join(folder, 'fresh'), { cacheDirs })),
  ]).toEqual([
    { path: caddyBin, version: '2.7.1', source: 'CADDY_BIN' },
    { path: onPath, version: '2.7.2', source: 'PATH' },
    { path: kept, version: '2.7.3', source: 'folder' },
    { path: cached, version: '2.7.4', source: 'cache' },
  ])
})

test('a wrong CADDY_BIN is an error, not a reason to look further', async () => {
  const folder = temporaryFolder()
  fakeCaddy(join(folder, 'bin', 'caddy'), '2.7.3')
  const plainFile = fakeCaddy(join(folder, 'plain'), '2.7.3', 0o644)
  const other = join(folder, 'other')
  writeFileSync(other, '#!/bin/sh\necho hello\n', { mode: 0o755 })
  for (const caddyBin of [join(folder, 'missing'), folder, plainFile, other]) {
    const error = await setupErrorOf(findCaddy(offline(folder, { caddyBin })))
    expect(error.code).toBe('caddy-wrong-binary')
    expect(error.message).toContain(caddyBin)
  }
})

test('a CADDY_BIN that is too old is refused with both versions', async () => {
  const folder = temporaryFolder()
  const caddyBin = fakeCaddy(join(folder, 'old'), '2.5.2')
  const error = await setupErrorOf(findCaddy(offline(folder, { caddyBin })))
  expect(error.code).toBe('caddy-too-old')
  expect(error.message).toMatch(/2\.5\.2.*2\.6/)
})

test('an old Caddy on PATH is passed over and mentioned', async () => {
  const folder = temporaryFolder()
  const old = fakeCaddy(join(folder, 'path', 'caddy'), '2.4.6')
  const progress: string[] = []
  const options = offline(folder, {
    searchPath: dirname(old),
    onProgress: (message) => void progress.push(message),
  })

  const error = await setupErrorOf(findCaddy(options))
  expect(error.code).toBe('caddy-unavailable')
  expect(error.message).toContain('2.4.6')
  expect(error.mend).toMatch(/brew install caddy.*apt-get install caddy.*CADDY_BIN/)
  expect(progress).toEqual([`Passing over Caddy at ${old}: version 2.4.6 is too old`])

  const kept = fakeCaddy(join(folder, 'bin', 'caddy'), '2.9.1')
  expect((await findCaddy(options)).path).toBe(kept)
})

/** A server in place of Caddy's releases; `sum` replaces the checksum it publishes. */
async function serveRelease(
  folder: string,
  sum?: string,
): Promise<{ releases: string; asked: string[] }> {
  fakeCaddy(join(folder, 'release', 'caddy'), CADDY_RELEASE)
  const packed = await runCommand(['tar', '-czf', 'r.tar.gz', '-C', 'release', 'caddy'], {
    cwd: folder,
  })
  expect(packed.code).toBe(0)
  const archive = readFileSync(join(folder, 'r.tar.gz'))
  const system = process.platform === 'darwin' ? 'mac' : process.platform
  const machine = process.arch === 'x64' ? 'amd64' : process.arch
  const name = `caddy_${CADDY_RELEASE}_${system}_${machine}.tar.gz`
  const published = sum ?? createHash('sha512').update(archive).digest('hex')
  const asked: string[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch({ url }) {
      asked.push(url.split('/').at(-1) ?? '')
      return new Response(url.endsWith('.txt') ? `${published}  ${name}\n` : archive)
    },
  })
  onTestFinished(() => server.stop(true))
  return { releases: `http://127.0.0.1:${server.port}`, asked }
}

test('fetches the release once, checks it, keeps it and shares it', async () => {
  const folder = temporaryFolder()
  const dataDir = join(folder, 'data')
  const cache = join(folder, 'cache')
  const { releases, asked } = await serveRelease(folder)
  const options = offline(dataDir, { releases, cacheDirs: [cache] })

  const found = await findCaddy(options)
  expect(found).toEqual({
    path: join(dataDir, 'bin/caddy'),
    version: CADDY_RELEASE,
    source: 'release',
  })
  expect(await findCaddy(options)).toMatchObject({ source: 'folder' })
  expect(await findCaddy({ ...options, dataDir: join(folder, 'other') })).toMatchObject({
    source: 'cache',
  })
  expect(asked).toHaveLength(2)
  expect(readdirSync(join(dataDir, 'bin'))).toEqual(['caddy'])
})

test('refuses a release that does not have its published checksum', async () => {
  const folder = temporaryFolder()
  const { releases } = await serveRelease(folder, '0'.repeat(128))
  const error = await setupErrorOf(findCaddy(offline(folder, { releases })))
  expect(error.message).toContain('checksum')
  expect(existsSync(join(folder, 'bin', 'caddy'))).toBe(false)
})

test('two searches at once do not disturb each other', async () => {
  const folder = temporaryFolder()
  const dataDir = join(folder, 'data')
  const { releases } = await serveRelease(folder)
  const both = await Promise.all([1, 2].map(() => findCaddy(offline(dataDir, { releases }))))
  for (const { version } of both) expect(version).toBe(CADDY_RELEASE)
  expect(readdirSync(join(dataDir, 'bin'))).toEqual(['caddy'])
})

test('a network that refuses is only a reason to go on', async () => {
  const folder = temporaryFolder()
  const error = await setupErrorOf(findCaddy(offline(folder, { releases: 'http://127.0.0.1:1' })))
  expect(error.code).toBe('caddy-unavailable')
  expect(error.message).toContain(`official release ${CADDY_RELEASE}`)
})
