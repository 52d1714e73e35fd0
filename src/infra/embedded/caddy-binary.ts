import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { extractDebianCaddy, hasDebianTools } from './caddy-debian'
import { CADDY_RELEASE, downloadCaddy } from './caddy-download'
import { type CaddyProbe, OLDEST_CADDY, probeCaddy } from './caddy-version'
import { SetupError } from './setup-error'

export type CaddySource = 'CADDY_BIN' | 'PATH' | 'folder' | 'cache' | 'release' | 'package'

export interface FoundCaddy {
  /** Absolute. */
  path: string
  /** `major.minor.patch`. */
  version: string
  source: CaddySource
}

export interface FindCaddyOptions {
  /** The value of CADDY_BIN: when given, it and no other is used. */
  caddyBin?: string
  /** A fetched Caddy is kept in `<dataDir>/bin/caddy`. */
  dataDir: string
  /** Folders that other checkouts share; a `caddy` inside is taken, a fetched one is copied to the first. */
  cacheDirs?: readonly string[]
  /** Whether Debian's package may be fetched. The system itself is not changed. */
  permitPackageManager: boolean
  onProgress?: (message: string) => void
  /** Replaces PATH. */
  searchPath?: string
  /** Replaces the address of Caddy's releases; null fetches none. */
  releases?: string | null
}

const MEND = `Install Caddy ${OLDEST_CADDY} or newer (brew install caddy, apt-get install caddy), or set CADDY_BIN to its path.`

/**
 * Finds a Caddy, or gets one: CADDY_BIN, PATH, `<dataDir>/bin`, the shared caches, the official release, Debian's
 * package. Asks the network only when the machine has none.
 *
 * @throws SetupError `caddy-wrong-binary` | `caddy-too-old` (CADDY_BIN) | `caddy-unavailable`
 */
export async function findCaddy(options: FindCaddyOptions): Promise<FoundCaddy> {
  const { caddyBin } = options
  if (caddyBin) return judgeDemanded(resolve(caddyBin), await probeCaddy(resolve(caddyBin)))
  const tried: string[] = []
  return (
    (await findInstalled(options, tried)) ?? (await fetchCaddy(options, tried)) ?? noCaddy(tried)
  )
}

function judgeDemanded(path: string, probe: CaddyProbe): FoundCaddy {
  if (probe.kind === 'usable') return { path, version: probe.version, source: 'CADDY_BIN' }
  if (probe.kind === 'too-old') {
    const message = `CADDY_BIN (${path}) is Caddy ${probe.version}, but ${OLDEST_CADDY} or newer is needed`
    throw new SetupError('caddy-too-old', message, MEND)
  }
  const reason = probe.kind === 'missing' ? 'there is no such file' : probe.reason
  const message = `CADDY_BIN (${path}) is no usable Caddy: ${reason}`
  throw new SetupError('caddy-wrong-binary', message, MEND)
}

interface Candidate {
  path: string
  source: CaddySource
}

async function findInstalled(
  options: FindCaddyOptions,
  tried: string[],
): Promise<FoundCaddy | null> {
  for (const { path, source } of installedCandidates(options)) {
    const probe = await probeCaddy(path)
    if (probe.kind === 'usable') return { path, version: probe.version, source }
    if (probe.kind === 'missing') continue
    const reason = probe.kind === 'too-old' ? `version ${probe.version} is too old` : probe.reason
    tried.push(`${path}: ${reason}`)
    options.onProgress?.(`Passing over Caddy at ${path}: ${reason}`)
  }
  return null
}

function installedCandidates({
  dataDir,
  cacheDirs = [],
  searchPath,
}: FindCaddyOptions): Candidate[] {
  const onPath =
    searchPath === undefined ? Bun.which('caddy') : Bun.which('caddy', { PATH: searchPath })
  return [
    ...(onPath ? [{ path: onPath, source: 'PATH' as const }] : []),
    { path: ownBinary(dataDir), source: 'folder' },
    ...cacheDirs.map((folder) => ({
      path: join(resolve(folder), 'caddy'),
      source: 'cache' as const,
    })),
  ]
}

async function fetchCaddy(options: FindCaddyOptions, tried: string[]): Promise<FoundCaddy | null> {
  for (const [source, what, fetchInto] of fetchers(options)) {
    options.onProgress?.(`Fetching Caddy (${what}, first start only)`)
    try {
      return await keep(options, source, fetchInto)
    } catch (error) {
      tried.push(`${what}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return null
}

type Fetcher = readonly [
  source: CaddySource,
  what: string,
  fetchInto: (folder: string) => Promise<string>,
]

function fetchers({ permitPackageManager, releases }: FindCaddyOptions): Fetcher[] {
  const release = (folder: string): Promise<string> =>
    downloadCaddy({ folder, ...(releases && { releases }) })
  const list: Fetcher[] = []
  if (releases !== null) list.push(['release', `official release ${CADDY_RELEASE}`, release])
  if (permitPackageManager && hasDebianTools()) {
    list.push(['package', "the system's package", extractDebianCaddy])
  }
  return list
}

/** Fetches into a folder of its own, tries the result, and only then puts it in place. */
async function keep(
  { dataDir, cacheDirs = [] }: FindCaddyOptions,
  source: CaddySource,
  fetchInto: (folder: string) => Promise<string>,
): Promise<FoundCaddy> {
  const path = ownBinary(dataDir)
  mkdirSync(dirname(path), { recursive: true })
  const folder = mkdtempSync(join(dirname(path), '.fetch-'))
  try {
    const fetched = await fetchInto(folder)
    const probe = await probeCaddy(fetched)
    if (probe.kind !== 'usable') throw new Error(`what was fetched is not usable (${probe.kind})`)
    place(fetched, path)
    if (cacheDirs[0]) share(path, resolve(cacheDirs[0]))
    return { path, version: probe.version, source }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** By rename, so that nobody ever runs half a program and two starts do not disturb each other. */
function place(from: string, to: string): void {
  const beside = `${to}.${process.pid}.${crypto.randomUUID()}`
  copyFileSync(from, beside)
  chmodSync(beside, 0o755)
  renameSync(beside, to)
}

function share(path: string, folder: string): void {
  try {
    mkdirSync(folder, { recursive: true })
    place(path, join(folder, 'caddy'))
  } catch {
    // The cache only spares other checkouts the download.
  }
}

function ownBinary(dataDir: string): string {
  return join(resolve(dataDir), 'bin', 'caddy')
}

function noCaddy(tried: readonly string[]): never {
  const details = tried.length > 0 ? ` (${tried.join('; ')})` : ''
  throw new SetupError('caddy-unavailable', `no Caddy was found${details}`, MEND)
}
