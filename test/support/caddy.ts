import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { findCaddy, freePort } from '#infra/embedded'

export interface TestCaddy {
  adminUrl: string
  /** Where tests should let the gateway listen: `host:port` for `listen`, and as URL. */
  gatewayAddress: string
  gatewayUrl: string
  gatewayPort: number
  logFile: string
  readonly pid: number
  /** The usage log's lines so far. */
  logLines(): Promise<string[]>
  stop(): Promise<void>
  /** SIGKILL and a new start from the bare Caddyfile. */
  restart(): Promise<void>
  /** As an operator might: `caddy reload` with the bare Caddyfile, which knows nothing of Veil's server. */
  reload(): Promise<void>
}

export interface TestCaddyOptions {
  /** Added to Caddy's environment, for example SSL_CERT_FILE. */
  env?: Record<string, string>
}

/** A real Caddy on free ports in a folder of its own, configured by the repository's Caddyfile. */
export async function startTestCaddy(options: TestCaddyOptions = {}): Promise<TestCaddy> {
  const folder = await mkdtemp(join(tmpdir(), 'veil-caddy-'))
  const binary = await caddyBinary()
  const [adminPort, gatewayPort] = [await freePort(), await freePort()]
  const adminUrl = `http://127.0.0.1:${adminPort}`
  const logFile = join(folder, 'usage.log')
  const spawn = (command: string, ...args: string[]) =>
    Bun.spawn(
      [binary, command, '--config', resolve('Caddyfile'), '--adapter', 'caddyfile', ...args],
      {
        cwd: folder,
        env: {
          HOME: folder,
          XDG_DATA_HOME: join(folder, 'data'),
          XDG_CONFIG_HOME: join(folder, 'config'),
          VEIL_CADDY_ADMIN: `127.0.0.1:${adminPort}`,
          VEIL_USAGE_LOG: logFile,
          ...options.env,
        },
        stdin: 'ignore',
        stdout: 'ignore',
        stderr: 'ignore',
      },
    )
  const start = async () => {
    const child = spawn('run')
    await until(async () => (await fetch(`${adminUrl}/config/`, { keepalive: false })).ok)
    return child
  }
  let child = await start()
  const kill = async () => {
    child.kill('SIGKILL')
    await child.exited
  }
  return {
    adminUrl,
    gatewayAddress: `127.0.0.1:${gatewayPort}`,
    gatewayUrl: `http://127.0.0.1:${gatewayPort}`,
    gatewayPort,
    logFile,
    get pid() {
      return child.pid
    },
    logLines: async () =>
      (await readFile(logFile, 'utf8').catch(() => '')).split('\n').filter((line) => line !== ''),
    stop: async () => {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
    restart: async () => {
      await kill()
      child = await start()
    },
    reload: async () => {
      // Forced: else Caddy leaves a configuration alone that it takes for the same.
      const code = await spawn('reload', '--force', '--address', `127.0.0.1:${adminPort}`).exited
      if (code !== 0) throw new Error(`caddy reload: exit code ${code}`)
    },
  }
}

async function caddyBinary(): Promise<string> {
  const found = await findCaddy({
    ...(process.env.CADDY_BIN ? { caddyBin: process.env.CADDY_BIN } : {}),
    dataDir: resolve('.veil'),
    permitPackageManager: true,
  })
  return found.path
}

/** Polls until `condition` is true; a throw counts as not yet. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs
  for (;;) {
    const reached = await Promise.resolve()
      .then(condition)
      .catch(() => false)
    if (reached) return
    if (performance.now() > giveUpAt) throw new Error('the condition was not reached in time')
    await Bun.sleep(10)
  }
}

/** Sends bytes as they are, where fetch would normalise them, and reads until the other side closes. */
export function rawExchange(port: number, request: string, timeoutMs = 5_000): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    const timer = setTimeout(() => {
      socket.destroy()
      fail(new Error(`no end of the answer: ${received}`))
    }, timeoutMs)
    let received = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      received += chunk
    })
    socket.on('error', fail)
    socket.on('close', () => {
      clearTimeout(timer)
      done(received)
    })
  })
}
