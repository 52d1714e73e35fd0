import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { findProcess, isStillRunning } from './processes'
import { SetupError } from './setup-error'

interface Claim {
  pid: number
  startedAt: string
}

/**
 * Claims the right to run the one server that belongs to a folder, by a file that names our process. It tells an
 * orphan (its owner is dead: stop it) from the server of another Veil that is alive (leave it alone).
 *
 * @returns the release; calling it twice does no harm
 * @throws SetupError `already-running` when a living process holds the claim
 */
export function claim(file: string, what: string): () => void {
  const self = findProcess(process.pid)
  const mine: Claim = { pid: process.pid, startedAt: self?.startedAt ?? '' }
  if (!create(file, mine)) {
    const holder = read(file)
    if (holder && isStillRunning(holder)) throw alreadyRunning(what, holder.pid)
    rmSync(file, { force: true })
    if (!create(file, mine)) throw alreadyRunning(what, read(file)?.pid)
  }
  let held = true
  return () => {
    if (held) rmSync(file, { force: true })
    held = false
  }
}

function create(file: string, content: Claim): boolean {
  try {
    writeFileSync(file, JSON.stringify(content), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

function read(file: string): Claim | null {
  try {
    const { pid, startedAt }: Partial<Claim> = JSON.parse(readFileSync(file, 'utf8'))
    return typeof pid === 'number' && typeof startedAt === 'string' ? { pid, startedAt } : null
  } catch {
    return null
  }
}

function alreadyRunning(what: string, pid: number | undefined): SetupError {
  return new SetupError(
    'already-running',
    `${what} of this folder is already run by another Veil${pid ? ` (process ${pid})` : ''}`,
    'Stop the other one first. To run several processes side by side, give all of them DATABASE_URL and GATEWAY_ADMIN_URLS.',
  )
}
