import { mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Account, chooseAccount } from './account'
import {
  type ChildExit,
  describeExit,
  dieWithParent,
  type SupervisedChild,
  superviseChild,
} from './child'
import { claim } from './claim'
import { freePort, isPortFree, portTrouble } from './ports'
import { findPostgresBinaries } from './postgres-binaries'
import { POSTGRES_ENV, prepareCluster, SUPERUSER } from './postgres-cluster'
import { clearPreviousRun, lastPort, POSTGRES_STOP, readPostmasterFile } from './postmaster-files'
import { SetupError } from './setup-error'

export interface PostgresOptions {
  /** Made at the first start. `<dataDir>.password` and `<dataDir>.owner` lie beside it. */
  dataDir: string
  /** Demanded port; without it the last one where it is still free, else any. */
  port?: number
  /** Further arguments of the server, for example `['-c', 'fsync=off']` in tests. */
  flags?: readonly string[]
  /** Receives a sentence before each long step. */
  onProgress?: (message: string) => void
  /** Receives the server's own log, line by line. */
  log?: (line: string) => void
}

export interface RunningPostgres {
  /** `postgres://…` over TCP on 127.0.0.1; holds the password. */
  url: string
  /** The Unix socket for postgres.js' `path` option, which no URL can carry; absent where the folder's path is too long for one. */
  socketPath?: string
  port: number
  pid: number
  /** Fulfilled when the server is gone, whoever stopped it. */
  exited: Promise<ChildExit>
  /** Fast shutdown; idempotent. */
  stop(): Promise<void>
}

/** sun_path holds 104 bytes on macOS and 108 on Linux, of which `/.s.PGSQL.65535` takes 15. */
const LONGEST_SOCKET_FOLDER = 88
/** Recovery after a crash replays the log first: that may take its time. */
const READY_MS = 120_000
/** How long to wait for the sessions of a killed server to notice and let go. */
const RETRY_MS = 15_000

/**
 * Starts the embedded Postgres of a folder, making the database at the first start and recovering from a killed run.
 * It stops when our process dies (Linux), but not by Ctrl-C: the app drains first and then calls `stop`.
 *
 * @throws SetupError `already-running` | `postgres-*`
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const dataDir = resolve(options.dataDir)
  const binaries = await findPostgresBinaries()
  mkdirSync(dirname(dataDir), { recursive: true })
  const release = claim(`${dataDir}.owner`, 'The database')
  try {
    const account = await chooseAccount(binaries.postgres, dataDir)
    const onProgress = options.onProgress ?? (() => undefined)
    await clearPreviousRun(dataDir, onProgress)
    const durable = !options.flags?.includes('fsync=off')
    const password = await prepareCluster({ binaries, account, dataDir, durable, onProgress })
    const plan = { ...options, dataDir, account, binary: binaries.postgres, onProgress }
    const { child, port } = await startWithRetries(plan)
    void child.exited.then(release)
    return describeRunning(child, port, password, dataDir)
  } catch (error) {
    release()
    throw error
  }
}

interface LaunchPlan extends PostgresOptions {
  account: Account
  binary: string
  onProgress: (message: string) => void
}

interface Launched {
  child: SupervisedChild
  port: number
}

async function startWithRetries(plan: LaunchPlan): Promise<Launched> {
  const deadline = performance.now() + RETRY_MS
  for (;;) {
    const port = await choosePort(plan)
    const child = launch(plan, port)
    const failure = await untilReady(child, plan.dataDir)
    if (!failure) return { child, port }
    await child.stop(POSTGRES_STOP)
    if (!isPassing(failure, plan) || performance.now() > deadline) throw startFailed(failure, plan)
    await sleep(100)
    await clearPreviousRun(plan.dataDir, plan.onProgress)
  }
}

/** Old sessions still letting go, or a port taken between our look and Postgres': both pass. */
function isPassing(failure: string, { port }: LaunchPlan): boolean {
  if (/pre-existing shared memory block|lock file "postmaster\.pid"/.test(failure)) return true
  return port === undefined && isBindFailure(failure)
}

function isBindFailure(failure: string): boolean {
  return /could not (create any TCP\/IP sockets|bind IPv4 address)/.test(failure)
}

async function choosePort({ port, dataDir }: LaunchPlan): Promise<number> {
  if (port !== undefined) {
    if ((await portTrouble(port)) === null) return port
    throw portTaken(port)
  }
  const last = lastPort(dataDir)
  return last !== null && (await isPortFree(last)) ? last : freePort()
}

function launch(
  { account, binary, dataDir, flags = [], log }: LaunchPlan,
  port: number,
): SupervisedChild {
  const settings = [
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${hasSocket(dataDir) ? dataDir : ''}`,
  ]
  // The kernel forgets the death signal when the account changes: it is asked for after the account's prefix.
  const command = [...account.prefix, ...dieWithParent('INT'), binary]
  const args = [
    '-D',
    dataDir,
    '-p',
    String(port),
    ...settings.flatMap((pair) => ['-c', pair]),
    ...flags,
  ]
  return superviseChild([...command, ...args], { env: POSTGRES_ENV, cwd: '/', ...(log && { log }) })
}

/** Null when the server is ready, else why it is not. */
async function untilReady(child: SupervisedChild, dataDir: string): Promise<string | null> {
  const deadline = performance.now() + READY_MS
  while (performance.now() < deadline) {
    const exit = child.exit()
    if (exit) return `Postgres ${describeExit(exit)}: ${child.lastOutput().slice(-2000)}`
    const file = readPostmasterFile(dataDir)
    if (file?.pid === child.pid && file.status === 'ready') return null
    await sleep(5)
  }
  return `Postgres did not become ready within ${READY_MS / 1000} s: ${child.lastOutput().slice(-2000)}`
}

function describeRunning(
  child: SupervisedChild,
  port: number,
  password: string,
  dataDir: string,
): RunningPostgres {
  return {
    url: `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`,
    ...(hasSocket(dataDir) && { socketPath: join(dataDir, `.s.PGSQL.${port}`) }),
    port,
    pid: child.pid,
    exited: child.exited,
    stop: async () => void (await child.stop(POSTGRES_STOP)),
  }
}

function hasSocket(dataDir: string): boolean {
  return Buffer.byteLength(dataDir) <= LONGEST_SOCKET_FOLDER
}

function startFailed(failure: string, { port }: LaunchPlan): SetupError {
  if (port !== undefined && isBindFailure(failure)) return portTaken(port)
  return new SetupError(
    'postgres-failed',
    failure,
    'Mend what Postgres complains of, or set DATABASE_URL to a Postgres of your own.',
  )
}

function portTaken(port: number): SetupError {
  return new SetupError(
    'postgres-port-taken',
    `Port ${port} is taken by another program: the embedded Postgres cannot listen there.`,
    'End that program, or set POSTGRES_PORT to a free port.',
  )
}
