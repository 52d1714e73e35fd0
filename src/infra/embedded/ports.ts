import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const LOOPBACK = '127.0.0.1'

/** Below the ports that Linux (32768 on) and macOS (49152 on) give to outgoing connections. */
const LOWEST_PORT = 10_000
const HIGHEST_PORT = 32_767
/** So many taken ones in a row are no chance: the system then picks one, or says what is wrong. */
const MOST_DRAWS = 50

/**
 * A TCP port on which nobody listened a moment ago, drawn by lot: another program could take it before
 * the caller does, but no connection does so by chance, and hardly ever somebody else who draws.
 */
export async function freePort(host: string = LOOPBACK): Promise<number> {
  for (let draw = 0; draw < MOST_DRAWS; draw++) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT + 1)
    if (await isPortFree(port, host)) return port
  }
  return listenOnce(0, host)
}

/**
 * Why nobody can listen on `host:port`: `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, …; null when one can. A taken port is
 * looked at again for `patienceMs`, since the children of a killed run hold theirs for a moment longer.
 */
export async function portTrouble(
  port: number,
  host: string = LOOPBACK,
  patienceMs = 2_000,
): Promise<string | null> {
  const giveUpAt = performance.now() + patienceMs
  for (;;) {
    const trouble = await listenOnce(port, host).then(
      () => null,
      (error: NodeJS.ErrnoException) => error.code ?? error.message,
    )
    if (trouble !== 'EADDRINUSE' || performance.now() >= giveUpAt) return trouble
    await sleep(50)
  }
}

/** Whether a listener can be opened on `host:port` right now. */
export async function isPortFree(port: number, host: string = LOOPBACK): Promise<boolean> {
  return listenOnce(port, host).then(
    () => true,
    () => false,
  )
}

function listenOnce(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address()
      const bound = typeof address === 'object' && address ? address.port : port
      server.close(() => resolve(bound))
    })
  })
}
