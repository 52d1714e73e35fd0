import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { complaint } from './caddy-complaint'
import {
  type ChildExit,
  describeExit,
  dieWithParent,
  type SupervisedChild,
  superviseChild,
} from './child'
import { claim } from './claim'
import { runCommand } from './command'
import { portTrouble } from './ports'
import { findProcess, type SignalStep, stopProcess } from './processes'
import { SetupError } from './setup-error'

export interface CaddyOptions {
  /** Path of the program, as `findCaddy` returns it. */
  binary: string
  /** Path of the Caddyfile. */
  caddyfile: string
  /** Caddy's whole environment besides its own folders: what the Caddyfile's `{$NAME}` refer to. */
  env: Record<string, string>
  /** The admin endpoint that the Caddyfile declares, for example `http://127.0.0.1:2019`. */
  adminUrl: string
  /** Caddy keeps its certificates and its state in `<dataDir>/caddy`. */
  dataDir: string
  /** Receives Caddy's log, line by line. */
  log?: (line: string) => void
  onProgress?: (message: string) => void
}

export interface RunningCaddy {
  pid: number
  /** Fulfilled when Caddy is gone, whoever stopped it. */
  exited: Promise<ChildExit>
  /** Lets running requests end for up to 10 s; idempotent. */
  stop(): Promise<void>
}

/** SIGTERM is Caddy's graceful stop; without a `grace_period` it would wait for open connections without end. */
const CADDY_STOP: readonly SignalStep[] = [
  ['SIGTERM', 10_000],
  ['SIGKILL', 2_000],
]
const READY_MS = 30_000

/**
 * Starts Caddy with a Caddyfile and waits until its configuration is loaded. A Caddy that a killed run left behind is
 * stopped first. It stops when our process dies (Linux), but not by Ctrl-C: the app drains first, then calls `stop`.
 *
 * @throws SetupError `already-running` | `caddy-port-taken` | `caddy-failed`
 */
export async function startCaddy(options: CaddyOptions): Promise<RunningCaddy> {
  const home = join(resolve(options.dataDir), 'caddy')
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const release = claim(join(home, 'owner'), 'The gateway')
  const pidFile = join(home, 'caddy.pid')
  try {
    await clearPreviousRun(pidFile, options.onProgress)
    await requireAdminPort(options.adminUrl)
    const child = launch(options, home, pidFile)
    void child.exited.then(release)
    await untilReady(options, child)
    return {
      pid: child.pid,
      exited: child.exited,
      stop: async () => void (await child.stop(CADDY_STOP)),
    }
  } catch (error) {
    release()
    throw error
  }
}

/** The pid file's path on its command line is the mark by which a Caddy is known to be this folder's. */
async function clearPreviousRun(
  pidFile: string,
  onProgress?: (message: string) => void,
): Promise<void> {
  if (!existsSync(pidFile)) return
  const running = findProcess(Number(readFileSync(pidFile, 'utf8').trim()))
  if (running?.command.includes(`--pidfile ${pidFile}`)) {
    onProgress?.('Stopping the gateway that a killed run left behind')
    if (!(await stopProcess(running, CADDY_STOP))) throw cannotStop(running.pid)
  }
  rmSync(pidFile, { force: true })
}

/** Another Caddy on that address would answer in place of ours. */
async function requireAdminPort(adminUrl: string): Promise<void> {
  const { hostname, port } = new URL(adminUrl)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const trouble = await portTrouble(Number(port || 80), host)
  if (trouble === null) return
  throw portTaken(
    trouble === 'EADDRINUSE'
      ? `Port ${port} is taken by another program: the gateway's admin endpoint cannot listen there.`
      : `The gateway's admin endpoint cannot listen on ${host}:${port} (${trouble}).`,
  )
}

/**
 * Caddy makes some garbage for every call, beside a small heap that lives: collecting it when it has
 * doubled is too often: a twentieth of the throughput. The limit keeps a large configuration from
 * growing as far.
 */
const GO_RUNTIME = { GOGC: '1200', GOMEMLIMIT: '240MiB' }

function launch(options: CaddyOptions, home: string, pidFile: string): SupervisedChild {
  const { binary, caddyfile, log } = options
  const env = {
    ...GO_RUNTIME,
    ...options.env,
    HOME: home,
    XDG_CONFIG_HOME: join(home, 'config'),
    XDG_DATA_HOME: join(home, 'data'),
  }
  const args = [
    'run',
    '--config',
    resolve(caddyfile),
    '--adapter',
    'caddyfile',
    '--pidfile',
    pidFile,
  ]
  const child = superviseChild([...dieWithParent('TERM'), resolve(binary), ...args], {
    env,
    ...(log && { log }),
  })
  // Caddy 2.6 writes its pid file only once the configuration is loaded.
  writeFileSync(pidFile, String(child.pid))
  return child
}

/** The admin endpoint listens before the configuration is in force, but `/config/` answers only after. */
async function untilReady(options: CaddyOptions, child: SupervisedChild): Promise<void> {
  const { adminUrl } = options
  const deadline = performance.now() + READY_MS
  while (performance.now() < deadline) {
    if (await answers(adminUrl)) break
    const exit = child.exit()
    if (exit) throw await startFailed(options, child, exit)
    await sleep(20)
  }
  const exit = child.exit()
  if (exit) throw await startFailed(options, child, exit)
  if (performance.now() >= deadline) {
    await child.stop(CADDY_STOP)
    throw failed(`Caddy's admin endpoint ${adminUrl} did not answer within ${READY_MS / 1000} s`)
  }
}

async function answers(adminUrl: string): Promise<boolean> {
  try {
    const response = await fetch(new URL('/config/', adminUrl), {
      signal: AbortSignal.timeout(2_000),
      keepalive: false,
    })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

async function startFailed(
  options: CaddyOptions,
  child: SupervisedChild,
  exit: ChildExit,
): Promise<SetupError> {
  const reason =
    complaint(child.lastOutput()) ??
    (await adaptComplaint(options)) ??
    child.lastOutput().slice(-500)
  const message = `Caddy ${describeExit(exit)}: ${reason}`
  return /address already in use/.test(reason) ? portTaken(message) : failed(message)
}

/** Caddy 2.11 ends in silence over a Caddyfile that it cannot read when it is to `run` it; `adapt` says why. */
async function adaptComplaint({ binary, caddyfile, env }: CaddyOptions): Promise<string | null> {
  const command = [
    resolve(binary),
    'adapt',
    '--adapter',
    'caddyfile',
    '--config',
    resolve(caddyfile),
  ]
  const { code, stderr } = await runCommand(command, { env, timeoutMs: 10_000 })
  return code === 0 ? null : complaint(stderr)
}

function portTaken(message: string): SetupError {
  const mend = 'End that program, or set CADDY_ADMIN_PORT to a free port.'
  return new SetupError('caddy-port-taken', message, mend)
}

function failed(message: string): SetupError {
  return new SetupError('caddy-failed', message, 'Mend what Caddy complains of and start again.')
}

function cannotStop(pid: number): SetupError {
  const message = `the gateway of an earlier run (process ${pid}) does not stop`
  return new SetupError('caddy-failed', message, `End process ${pid} yourself and start again.`)
}
