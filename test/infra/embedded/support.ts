import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { onTestFinished } from 'vitest'
import {
  type PostgresOptions,
  type RunningPostgres,
  startPostgres,
} from '../../../src/infra/embedded/postgres'
import { findProcess } from '../../../src/infra/embedded/processes'
import { SetupError } from '../../../src/infra/embedded/setup-error'

export const checkout = join(import.meta.dirname, '../../..')

/** A folder that every account may enter, removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'veil-embedded-'))
  chmodSync(folder, 0o755)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Postgres without the waits for the disk, stopped after the test. */
export async function runPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const running = await startPostgres({ flags: ['-c', 'fsync=off'], ...options })
  onTestFinished(() => running.stop())
  return running
}

/** Runs one statement over a connection of its own. */
export async function query(
  { url }: { url: string },
  statement: string,
  options: postgres.Options<Record<string, never>> = {},
): Promise<postgres.RowList<postgres.Row[]>> {
  const sql = postgres(url, { max: 1, ...options })
  try {
    return await sql.unsafe(statement)
  } finally {
    await sql.end()
  }
}

/** The SetupError with which a promise is rejected; anything else fails the test. */
export async function setupErrorOf(promise: Promise<unknown>): Promise<SetupError> {
  const outcome = await promise.then(
    () => 'fulfilled',
    (error: unknown) => error,
  )
  if (outcome instanceof SetupError) return outcome
  throw new Error(`expected a SetupError, got ${String(outcome)}`)
}

/** Waits for a condition; fails after ten seconds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`)
    await sleep(10)
  }
}

export function isAlive(pid: number): boolean {
  return findProcess(pid) !== null
}

export interface Owner {
  process: ChildProcess
  /** What the owner's server reported about itself. */
  server: { pid: number; url: string; port: number }
  /** SIGKILLs the owner, as an out-of-memory killer would. */
  kill(): Promise<void>
}

export interface OwnerOptions {
  /** Goes before the command: an account to run under. */
  prefix?: readonly string[]
  path?: string
  root?: string
}

/** A process that starts a server and can be killed. */
export async function startOwner(
  kind: 'postgres' | 'caddy',
  options: object,
  { prefix = [], path, root = checkout }: OwnerOptions = {},
): Promise<Owner> {
  const script = join(root, 'test/infra/embedded/owner.ts')
  const bun = join(root, 'node_modules/bun/bin/bun.exe')
  const [program = '', ...args] = [...prefix, bun, script, kind, JSON.stringify(options)]
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...(path && { PATH: path }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaint = ''
  child.stderr.on('data', (chunk) => {
    complaint += chunk
  })
  const gone = once(child, 'exit')
  const line = createInterface(child.stdout)[Symbol.asyncIterator]().next()
  const first = await Promise.race([line, gone.then(() => null)])
  if (!first || first.done) throw new Error(`the owner did not start: ${complaint}`)
  const server = JSON.parse(first.value)
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await gone
  }
  onTestFinished(async () => {
    await kill()
    if (isAlive(server.pid)) process.kill(server.pid, 'SIGKILL')
  })
  return { process: child, server, kill }
}

/**
 * A PATH on which `setpriv` ignores the wish to die with the parent: so a killed owner leaves an orphan, as on systems
 * that have no such thing.
 */
export function pathWithoutDeathSignal(folder: string): string {
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const script = `#!/bin/sh\n[ "$1" = --pdeathsig ] && { shift 2; exec "$@"; }\nexec ${Bun.which('setpriv')} "$@"\n`
  if (Bun.which('setpriv')) writeFileSync(join(bin, 'setpriv'), script, { mode: 0o755 })
  return `${bin}:/usr/bin:/bin`
}
