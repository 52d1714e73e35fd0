import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './command'

/** The release that is fetched where the machine has no Caddy of its own. */
export const CADDY_RELEASE = '2.11.7'
/** Where Caddy's releases are published. */
export const CADDY_RELEASES = 'https://github.com/caddyserver/caddy/releases/download'

export interface DownloadOptions {
  /** An existing folder of ours for the archive and what comes out of it. */
  folder: string
  /** Base of `<base>/v<version>/<file>`. */
  releases?: string
  /** Milliseconds of silence after which one of the two requests is given up. */
  silenceMs?: number
}

/** Two requests, so a network that swallows packets costs twice this: 10 s. */
const SILENCE_MS = 5_000

/**
 * Fetches the official Caddy release and checks it against the release's published SHA-512 sums.
 *
 * @returns the path of the extracted program
 * @throws Error whatever went wrong: no network, no release for the platform, wrong checksum
 */
export async function downloadCaddy(options: DownloadOptions): Promise<string> {
  const { folder, releases = CADDY_RELEASES, silenceMs = SILENCE_MS } = options
  const name = releaseFile()
  const base = `${releases}/v${CADDY_RELEASE}`
  const sums = await fetchBytes(`${base}/caddy_${CADDY_RELEASE}_checksums.txt`, silenceMs)
  const wanted = findSum(sums.toString('utf8'), name)
  const archive = await fetchBytes(`${base}/${name}`, silenceMs)
  const actual = createHash('sha512').update(archive).digest('hex')
  if (actual !== wanted) throw new Error(`${name} does not have its published checksum`)
  return extract(archive, folder)
}

function releaseFile(): string {
  const system = { linux: 'linux', darwin: 'mac' }[process.platform as string]
  const machine = { x64: 'amd64', arm64: 'arm64' }[process.arch as string]
  if (!system || !machine) throw new Error(`no release for ${process.platform}-${process.arch}`)
  return `caddy_${CADDY_RELEASE}_${system}_${machine}.tar.gz`
}

/** Lines are `<sha512>  <file>`, as sha512sum writes them. */
function findSum(sums: string, file: string): string {
  const line = sums.split('\n').find((entry) => entry.trim().endsWith(`  ${file}`))
  const sum = /^[0-9a-f]{128}(?= )/.exec(line?.trim() ?? '')?.[0]
  if (!sum) throw new Error(`the release publishes no checksum of ${file}`)
  return sum
}

/** A slow line may take its time, a silent one may not: the timer starts anew with each chunk. */
async function fetchBytes(url: string, silenceMs: number): Promise<Buffer> {
  const silence = new AbortController()
  const giveUp = () => silence.abort(new Error(`no answer within ${silenceMs} ms`))
  let timer = setTimeout(giveUp, silenceMs)
  try {
    const response = await fetch(url, { signal: silence.signal })
    if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`)
    const chunks: Uint8Array[] = []
    for await (const chunk of response.body) {
      clearTimeout(timer)
      timer = setTimeout(giveUp, silenceMs)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } finally {
    clearTimeout(timer)
  }
}

async function extract(archive: Buffer, folder: string): Promise<string> {
  const file = join(folder, 'caddy.tar.gz')
  writeFileSync(file, archive)
  const result = await runCommand(['tar', '-xzf', file, '-C', folder, 'caddy'], {
    timeoutMs: 60_000,
  })
  if (result.code !== 0) throw new Error(`the archive cannot be unpacked: ${result.stderr.trim()}`)
  return join(folder, 'caddy')
}
