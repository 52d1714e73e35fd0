import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '#infra/embedded'
import { benchCaddy } from './gateway.ts'

/** A whole Veil as `npm start` runs it, in a folder and on ports of its own; survives restarts. */
export class VeilProcess {
  private child: Bun.Subprocess | null = null

  private constructor(
    private readonly environment: Record<string, string>,
    readonly folder: string,
  ) {}

  static async prepare(): Promise<VeilProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'veil-bench-'))
    // As root, Postgres runs under another account.
    await Bun.$`chmod 755 ${folder}`
    const names = ['PORT', 'EDGE_PORT', 'GATEWAY_PORT', 'CADDY_ADMIN_PORT', 'POSTGRES_PORT']
    const ports = await Promise.all(names.map(async (name) => [name, String(await freePort())]))
    const environment = {
      ...Object.fromEntries(ports),
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '/',
      VEIL_DATA_DIR: join(folder, 'data'),
      CADDY_BIN: (await benchCaddy()).path,
      USAGE_TOKENS: TOKEN,
      LOG_LEVEL: 'error',
    }
    return new VeilProcess(environment, folder)
  }

  async start(roles: string): Promise<void> {
    this.child = Bun.spawn([process.execPath, 'src/main.ts'], {
      cwd: join(import.meta.dirname, '../..'),
      env: { ...this.environment, VEIL_ROLES: roles },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const isReady = () =>
      fetch(`${this.url}/health/live`).then(
        ({ ok }) => ok,
        () => false,
      )
    const deadline = performance.now() + 60_000
    while (roles.includes('api') && !(await isReady())) {
      if (performance.now() > deadline) throw new Error('Veil did not become ready')
      await Bun.sleep(100)
    }
  }

  async stop(): Promise<void> {
    this.child?.kill('SIGTERM')
    await this.child?.exited
    this.child = null
  }

  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  get pid(): number {
    return this.child?.pid ?? -1
  }

  get url(): string {
    return `http://127.0.0.1:${this.environment.PORT}`
  }

  get databaseUrl(): string {
    const password = readFileSync(join(this.folder, 'data/postgres.password'), 'utf8').trim()
    return `postgres://postgres:${password}@127.0.0.1:${this.environment.POSTGRES_PORT}/postgres`
  }

  /** CPU time of Veil and its Postgres in microseconds (Linux). */
  cpuMicroseconds(): number {
    const file = join(this.folder, 'data/postgres/postmaster.pid')
    const postmaster = Number(readFileSync(file, 'utf8').split('\n')[0])
    const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    const ticks = processes.reduce((sum, name) => {
      const { pid, parent, own, ended } = times(Number(name))
      if (pid === this.pid || parent === postmaster) return sum + own
      return pid === postmaster ? sum + own + ended : sum
    }, 0)
    return ticks * MICROSECONDS_PER_TICK
  }
}

export const TOKEN = 'a-machine-token-for-this-bench-only'
const MICROSECONDS_PER_TICK = 10_000

/** Fields 14 to 17 of proc(5)'s stat, in ticks; zeros for a process that is gone. */
function times(pid: number): { pid: number; parent: number; own: number; ended: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = stat.slice(11, 15).map(Number)
    return { pid, parent: Number(stat[1]), own: user + system, ended: endedUser + endedSystem }
  } catch {
    return { pid, parent: -1, own: 0, ended: 0 }
  }
}
