import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const LOOPBACK = '127.0.0.1'

/** A TCP port on which nobody listened a moment ago. Another program may take it before the caller does. */
export function freePort(host: string = LOOPBACK): Promise<number> {
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
