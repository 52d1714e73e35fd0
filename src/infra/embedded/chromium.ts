import { accessSync, constants } from 'node:fs'
import { runCommand } from './command'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const FIXED_PATHS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]
const APT_MS = 300_000

export interface FindChromiumOptions {
  /** A demanded program: when given, it and no other is used. */
  path?: string
  /** Replaces PATH. */
  searchPath?: string
  /** Replaces the places where systems install it. */
  fixedPaths?: readonly string[]
}

/** The path of a Chromium or Chrome for the browser tests; null when the machine has none. */
export function findChromium(options: FindChromiumOptions = {}): string | null {
  const { path, searchPath, fixedPaths = FIXED_PATHS } = options
  if (path) return isExecutable(path) ? path : null
  const which = (name: string): string | null =>
    searchPath === undefined ? Bun.which(name) : Bun.which(name, { PATH: searchPath })
  const onPath = NAMES.map(which).find((found) => found !== null)
  return onPath ?? fixedPaths.find(isExecutable) ?? null
}

/** Installs Debian's Chromium where we are root and have apt; its path, or null where it cannot be had. */
export async function installChromium(
  onProgress: (message: string) => void = () => undefined,
): Promise<string | null> {
  if (process.getuid?.() !== 0 || !Bun.which('apt-get')) return null
  onProgress('Installing Chromium for the browser tests (once)')
  const options = { timeoutMs: APT_MS }
  const apt = ['apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=60', '-o', 'Acquire::Retries=1']
  const quietly = ['env', 'DEBIAN_FRONTEND=noninteractive', ...apt]
  await runCommand([...apt, 'update'], options)
  await runCommand([...quietly, 'install', '-y', '--no-install-recommends', 'chromium'], options)
  const path = findChromium()
  // Ubuntu's package of that name is only a pointer to a snap: what was installed must really run.
  return path && (await runCommand([path, '--version'], { timeoutMs: 30_000 })).code === 0
    ? path
    : null
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
