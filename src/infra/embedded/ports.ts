import { createServer } from 'node:net'

const LOOPBACK = '127.0.0.1'

/** A TCP port on which nobody listened a moment ago. Another program may take it before the caller does. */
export function freePort(host: string = LOOPBACK): Promise<number> {
  return listenOnce(0, host)
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
