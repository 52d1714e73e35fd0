import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { findCaddy, freePort } from '#infra/embedded'
import { eventually } from './poll'
import { type Answer, ask, type RequestOptions } from './request'

const CHECKOUT = resolve(import.meta.dirname, '../..')

/** Vitest runs under `bun --bun`, which puts a `node` of its own in front; npm is to run under the real one. */
export const REAL_PATH = (process.env.PATH ?? '')
  .split(':')
  .filter((folder) => !folder.includes('bun-node'))
  .join(':')

export interface ProcessOptions {
  /** `bun src/main.ts` unless stated. */
  command?: readonly string[]
  environment?: Record<string, string>
  /** An earlier run's place, to start there again; a new one unless stated. */
  place?: Place
}

/** A data folder and ports of its own, so that runs do not meet. */
export interface Place {
  folder: string
  environment: Record<string, string>
}

/** Every account may enter: as root, Postgres runs under another one. */
export async function newPlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'veil-process-'))
  chmodSync(folder, 0o755)
  const names = ['PORT', 'EDGE_PORT', 'GATEWAY_PORT', 'CADDY_ADMIN_PORT', 'POSTGRES_PORT']
  const ports: Record<string, string> = {}
  for (const name of names) {
    do ports[name] = String(await freePort())
    while (new Set(Object.values(ports)).size < Object.keys(ports).length)
  }
  const { path: caddy } = await findCaddy({
    ...(process.env.CADDY_BIN ? { caddyBin: process.env.CADDY_BIN } : {}),
    dataDir: join(CHECKOUT, '.veil'),
    permitPackageManager: true,
  })
  return {
    folder,
    environment: { ...ports, VEIL_DATA_DIR: join(folder, 'data'), CADDY_BIN: caddy },
  }
}

/** A whole Veil, started as its users start it. */
export class VeilProcess {
  stdout = ''
  stderr = ''
  readonly place: Place
  readonly closed: Promise<{ code: number | null; signal: string | null }>
  private readonly child: ChildProcess
  private readonly seen = new Set<number>()

  private constructor(place: Place, { command, environment }: ProcessOptions) {
    this.place = place
    const [program = '', ...args] = command ?? [process.execPath, 'src/main.ts']
    this.child = spawn(program, args, {
      cwd: CHECKOUT,
      // Only what a shell would have: nothing of the test run's own.
      env: {
        PATH: REAL_PATH,
        HOME: process.env.HOME ?? '/',
        ...place.environment,
        ...environment,
      },
      // A process group of its own, as a terminal gives to a command.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.closed = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
  }

  static async spawn(options: ProcessOptions = {}): Promise<VeilProcess> {
    return new VeilProcess(options.place ?? (await newPlace()), options)
  }

  static async start(options: ProcessOptions = {}): Promise<VeilProcess> {
    const started = await VeilProcess.spawn(options)
    await started.ready().catch(async (error) => {
      await started.dispose()
      throw error
    })
    return started
  }

  get pid(): number {
    return this.child.pid ?? -1
  }

  get url(): string {
    return `http://127.0.0.1:${this.place.environment.PORT}`
  }

  get gatewayUrl(): string {
    return `http://127.0.0.1:${this.place.environment.GATEWAY_PORT}`
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Waits for the word on the terminal; fails at once when the process ends before. */
  async ready(): Promise<void> {
    await eventually(
      () => {
        if (!this.isRunning) throw new Error(`it ended: ${this.stdout}${this.stderr}`)
        return this.stdout.includes('Veil is ready')
      },
      'Veil is ready',
      25_000,
    )
    this.tree()
  }

  request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    return ask(`${this.url}${path}`, method, options)
  }

  /** All processes below this one, with their command lines. */
  tree(): Map<number, string> {
    const found = descendants(this.pid)
    for (const pid of found.keys()) this.seen.add(pid)
    return found
  }

  /** The child whose program is called so: `postgres`, `caddy`, `bun`. */
  childPid(program: string): number {
    const pid = this.findChild(program)
    if (pid === null) throw new Error(`there is no ${program} below ${this.pid}`)
    return pid
  }

  /** Kills that child as the system might, and waits for the one that takes its place. */
  async replaceChild(program: string): Promise<void> {
    const before = this.childPid(program)
    process.kill(before, 'SIGKILL')
    const isReplaced = () => ![before, null].includes(this.findChild(program))
    await eventually(isReplaced, `another ${program}`, 20_000)
  }

  hasChild(program: string): boolean {
    return this.findChild(program) !== null
  }

  private findChild(program: string): number | null {
    const isIt = new RegExp(`(^|/)${program}(\\.exe)? `)
    return [...this.tree()].find(([, command]) => isIt.test(command))?.[0] ?? null
  }

  signal(signal: NodeJS.Signals, to: 'process' | 'group' = 'process'): void {
    process.kill(to === 'group' ? -this.pid : this.pid, signal)
  }

  /** Those of the processes seen so far that still run. */
  survivors(): number[] {
    return [...this.seen].filter(isAlive)
  }

  /** Ends everything, whatever state it is in, and removes the data. */
  async dispose({ keepData = false } = {}): Promise<void> {
    this.tree()
    for (const pid of [...(this.isRunning ? [this.pid] : []), ...this.seen, ...this.fromPidFiles()])
      kill(pid)
    await this.closed
    await eventually(() => this.survivors().length === 0, 'the end of all children')
    if (!keepData) rmSync(this.place.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  /** Children that were orphaned before anybody looked. */
  private fromPidFiles(): number[] {
    const data = this.place.environment.VEIL_DATA_DIR ?? ''
    return ['postgres/postmaster.pid', 'caddy/caddy.pid']
      .map((name) => join(data, name))
      .filter((file) => existsSync(file))
      .map((file) => Number(readFileSync(file, 'utf8').split('\n')[0]))
      .filter((pid) => pid > 1 && commandOf(pid).includes(data))
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch {
    return false
  }
}

function isZombie(pid: number): boolean {
  if (process.platform !== 'linux') return false
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, ''))
  } catch {
    return true
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}

interface ProcessRow {
  pid: number
  parent: number
  command: string
}

function descendants(root: number): Map<number, string> {
  const all = process.platform === 'linux' ? rowsOfProc() : rowsOfPs()
  const found = new Map<number, string>()
  const visit = (parent: number): void => {
    for (const row of all)
      if (row.parent === parent && !found.has(row.pid)) {
        found.set(row.pid, row.command)
        visit(row.pid)
      }
  }
  visit(root)
  return found
}

function rowsOfProc(): ProcessRow[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\) /s, '')
        const pid = Number(name)
        return [{ pid, parent: Number(stat.split(' ')[1]), command: commandOf(pid) }]
      } catch {
        return []
      }
    })
}

function rowsOfPs(): ProcessRow[] {
  return execFileSync('ps', ['-axww', '-o', 'pid=,ppid=,command='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .flatMap((match) =>
      match ? [{ pid: Number(match[1]), parent: Number(match[2]), command: match[3] ?? '' }] : [],
    )
}

function commandOf(pid: number): string {
  try {
    if (process.platform === 'linux')
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  } catch {
    return ''
  }
}
