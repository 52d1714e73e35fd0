import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type CommandResult, runCommand } from './command'

/** Fetching the package lists is the long part; a hung mirror must not hang the start. */
const UPDATE_MS = 120_000
const DOWNLOAD_MS = 120_000

/** Whether this system has apt's and dpkg's tools. */
export function hasDebianTools(): boolean {
  return ['apt-get', 'dpkg-deb'].every((tool) => Bun.which(tool) !== null)
}

/**
 * Takes the program out of Debian's (or Ubuntu's) `caddy` package without installing it: the system is not changed,
 * no service is started, no root is needed, and no earlier `apt-get update`. apt checks the archive's signatures.
 *
 * @param folder an existing folder of ours; apt's lists and the package stay inside it
 * @returns the path of the extracted program
 * @throws Error with apt's or dpkg's own words
 */
export async function extractDebianCaddy(folder: string): Promise<string> {
  const private_ = privateAptOptions(folder)
  const run = (args: readonly string[], timeoutMs: number): Promise<CommandResult> =>
    runCommand(['apt-get', ...private_, '-qq', ...args], { cwd: folder, timeoutMs })
  // A list that cannot be had (a third party's archive) fails the update but not the download.
  const update = await run(['update'], UPDATE_MS)
  const download = await run(['download', 'caddy'], DOWNLOAD_MS)
  const deb = readdirSync(folder).find((name) => name.startsWith('caddy_') && name.endsWith('.deb'))
  if (download.code !== 0 || !deb) throw new Error(lastLine(download) || lastLine(update))
  const unpacked = join(folder, 'package')
  const extract = await runCommand(['dpkg-deb', '-x', join(folder, deb), unpacked])
  if (extract.code !== 0) throw new Error(lastLine(extract))
  return join(unpacked, 'usr/bin/caddy')
}

function privateAptOptions(folder: string): string[] {
  const state = join(folder, 'state')
  const cache = join(folder, 'cache')
  mkdirSync(join(state, 'lists/partial'), { recursive: true })
  mkdirSync(join(cache, 'archives/partial'), { recursive: true })
  const settings = [
    `Dir::State=${state}`,
    'Dir::State::status=/var/lib/dpkg/status',
    `Dir::Cache=${cache}`,
    // apt drops root to a user that cannot write here.
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'Acquire::Retries=1',
    'Acquire::http::Timeout=15',
    'Acquire::https::Timeout=15',
  ]
  return settings.flatMap((setting) => ['-o', setting])
}

function lastLine({ stderr, stdout }: CommandResult): string {
  return (stderr.trim() || stdout.trim()).split('\n').at(-1) ?? ''
}
