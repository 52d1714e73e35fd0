import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { ENVIRONMENT } from '#app/config'
import { findCaddy, freePort } from '#infra/embedded'

/** A running Veil, found or started. */
export interface Instance {
  /** Address of the REST API. */
  url: string
  /** Whether the demo started it, and will stop it. */
  isOwn: boolean
  /** Null where nobody knows it. */
  adminPassword: string | null
  stop(): Promise<void>
}

const ROOT = resolve(import.meta.dirname, '../..')
const START_MS = 120_000
const STOP_MS = 20_000

/** The Veil that answers at `PORT` (3000), or null when there is none or it is not ready. */
export async function findInstance(): Promise<Instance | null> {
  const url = `http://127.0.0.1:${process.env.PORT || 3000}`
  if (!(await isVeil(url))) return null
  const adminPassword = process.env.ADMIN_PASSWORD || null
  return { url, isOwn: false, adminPassword, stop: async () => undefined }
}

/** Something else may live at that port: what answers must be ready and have our API document. */
async function isVeil(url: string): Promise<boolean> {
  try {
    const patience = () => AbortSignal.timeout(3_000)
    const ready = await fetch(`${url}/health/ready`, { signal: patience() })
    const document = await fetch(`${url}/swagger/json`, { signal: patience() })
    if (!ready.ok || !document.ok) return false
    const { info } = (await document.json()) as { info?: { title?: string } }
    return info?.title === 'Veil'
  } catch {
    return false
  }
}

/**
 * Starts a Veil with ports and a data folder of its own, which are gone after `stop`.
 * @param until aborts the start, for example on Ctrl-C
 */
export async function startInstance(
  onProgress: (message: string) => void,
  until: AbortSignal,
): Promise<Instance> {
  // Found (or fetched) for the checkout, so that the next demo and the next start have it already.
  const { path: caddy } = await findCaddy({
    dataDir: resolve(ROOT, '.veil'),
    permitPackageManager: process.env.PERMIT_PACKAGE_MANAGER !== 'false',
    onProgress,
    ...(process.env.CADDY_BIN && { caddyBin: process.env.CADDY_BIN }),
  })
  const [port, gateway, admin, edge] = await freePorts(4)
  const adminPassword = randomBytes(12).toString('base64url')
  const dataDir = mkdtempSync(join(tmpdir(), 'veil-demo-'))
  const url = `http://127.0.0.1:${port}`
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts')], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...environmentWithoutOurs(),
      PORT: String(port),
      GATEWAY_PORT: String(gateway),
      CADDY_ADMIN_PORT: String(admin),
      EDGE_PORT: String(edge),
      VEIL_DATA_DIR: dataDir,
      CADDY_BIN: caddy,
      LOG_LEVEL: 'warn',
      ADMIN_PASSWORD: adminPassword,
    },
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  let isReady = false
  createInterface(child.stdout).on('line', (line) => {
    if (!isReady && line.endsWith(' …')) onProgress(line.replace('…', '').trim())
  })
  const exited = new Promise<void>((done) => child.once('close', () => done()))
  const isRunning = () => child.exitCode === null && child.signalCode === null
  const stop = async () => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    if (isRunning()) child.kill('SIGTERM')
    await exited
    clearTimeout(timer)
    rmSync(dataDir, { recursive: true, force: true })
  }
  const giveUpAt = performance.now() + START_MS
  while (!(await isVeil(url))) {
    if (isRunning() && !until.aborted && performance.now() < giveUpAt) {
      await Bun.sleep(50)
      continue
    }
    await stop()
    throw new Error(`An instance for the demo could not be started.\n${errors.trim()}`)
  }
  isReady = true
  return { url, isOwn: true, adminPassword, stop }
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}

/** A DATABASE_URL of the shell's, say, is meant for another instance than the demo's. */
function environmentWithoutOurs(): Record<string, string> {
  const ours = new Set(Object.keys(ENVIRONMENT.shape))
  const others = Object.entries(process.env).filter(([name]) => !ours.has(name))
  return Object.fromEntries(others.map(([name, value]) => [name, value ?? '']))
}
