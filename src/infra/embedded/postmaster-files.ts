import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { findProcess, type SignalStep, stopProcess } from './processes'
import { SetupError } from './setup-error'

/** SIGINT is Postgres' fast shutdown (clean, cuts the sessions), SIGQUIT the immediate one (replays the log at the next start). */
export const POSTGRES_STOP: readonly SignalStep[] = [
  ['SIGINT', 10_000],
  ['SIGQUIT', 10_000],
  ['SIGKILL', 2_000],
]

/** What `postmaster.pid` says (src/include/utils/pidfile.h of Postgres). */
export interface PostmasterFile {
  pid: number
  port: number
  status: string
}

/** Null when there is no such file, or it is still being written. */
export function readPostmasterFile(dataDir: string): PostmasterFile | null {
  const lines = readLines(join(dataDir, 'postmaster.pid'))
  if (!lines) return null
  return { pid: Number(lines[0]), port: Number(lines[3]), status: (lines[7] ?? '').trim() }
}

/** The port of the last start, so that a user's own tools find the database again; null when unknown. */
export function lastPort(dataDir: string): number | null {
  const options = readLines(join(dataDir, 'postmaster.opts'))?.[0] ?? ''
  const port = /"-p" "(\d+)"/.exec(options)?.[1]
  return port ? Number(port) : null
}

/**
 * Clears what a killed run left behind: stops its orphaned postmaster, and removes the lock files (`postmaster.pid`,
 * the socket's) whose pid is a zombie's or meanwhile another program's: Postgres would take either for a live
 * postmaster. Postgres itself still refuses to start while an old session holds the shared memory.
 */
export async function clearPreviousRun(
  dataDir: string,
  onProgress: (message: string) => void,
): Promise<void> {
  const file = readPostmasterFile(dataDir)
  if (!file) return
  const running = findProcess(file.pid)
  if (running?.command.includes(`-D ${dataDir} `)) {
    onProgress('Stopping the database that a killed run left behind')
    if (!(await stopProcess(running, POSTGRES_STOP))) throw cannotStop(file.pid)
  }
  const left = readdirSync(dataDir).filter((name) => name.startsWith('.s.PGSQL.'))
  for (const name of ['postmaster.pid', ...left]) rmSync(join(dataDir, name), { force: true })
}

function readLines(file: string): string[] | null {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n') : null
}

function cannotStop(pid: number): SetupError {
  return new SetupError(
    'postgres-failed',
    `the database of an earlier run (process ${pid}) does not stop`,
    `End process ${pid} yourself and start again.`,
  )
}
