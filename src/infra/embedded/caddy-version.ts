import { accessSync, constants, statSync } from 'node:fs'
import { runCommand } from './command'

/** The oldest Caddy with everything the gateway's configuration uses. */
export const OLDEST_CADDY = '2.6'

/** What a look at a supposed Caddy found. */
export type CaddyProbe =
  | { kind: 'usable'; version: string }
  | { kind: 'too-old'; version: string }
  | { kind: 'missing' }
  | { kind: 'broken'; reason: string }

const PROBE_MS = 10_000

/** Runs `<path> version` and judges the answer. Never throws. */
export async function probeCaddy(path: string): Promise<CaddyProbe> {
  const unusable = whyNotExecutable(path)
  if (unusable) return unusable
  const result = await runCommand([path, 'version'], { timeoutMs: PROBE_MS })
  const version = parseCaddyVersion(result.stdout)
  if (result.code !== 0 || !version) {
    return { kind: 'broken', reason: result.stderr.trim() || 'it does not tell its version' }
  }
  return { kind: isNewEnough(version) ? 'usable' : 'too-old', version }
}

/** `v2.11.7 h1:…` and Debian's `2.6.2` → `2.11.7`, `2.6.2`; null for anything else. */
export function parseCaddyVersion(output: string): string | null {
  return /^v?(\d+\.\d+\.\d+)/.exec(output.trim())?.[1] ?? null
}

/** Whether `major.minor.patch` is at least {@link OLDEST_CADDY}. */
export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_CADDY.split('.').map(Number)
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
}

function whyNotExecutable(path: string): CaddyProbe | null {
  if (!statSync(path, { throwIfNoEntry: false })) return { kind: 'missing' }
  if (!statSync(path).isFile()) return { kind: 'broken', reason: 'it is not a file' }
  try {
    accessSync(path, constants.X_OK)
    return null
  } catch {
    return { kind: 'broken', reason: 'it is not executable' }
  }
}
