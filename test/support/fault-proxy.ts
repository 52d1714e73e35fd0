import { connect, createServer, type Socket } from 'node:net'

/** What happens to the next writes (PATCH, PUT) that pass; reads always pass. `refuse` answers in Caddy's words. */
export type Fault = 'none' | 'reset-before' | 'apply-then-reset' | 'stall' | 'slow' | 'refuse'

const SLOW_MS = 300
const REFUSAL = JSON.stringify({ error: 'loading new config: on purpose' })

export interface FaultProxy {
  url: string
  /** Writes that reached the target since the start. */
  writes: number
  /** Applies to so many writes from now on. */
  inject(fault: Fault, times?: number): void
  /** Neither writes nor reads pass until it is brought back. */
  takeAway(): void
  bringBack(): void
  stop(): Promise<void>
}

/** A TCP proxy in front of a Caddy admin endpoint that can lose requests and answers. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let fault: Fault = 'none'
  let left = 0
  let isAway = false
  let proxyHost = ''
  const server = createServer((client) => {
    sockets.add(client)
    client.on('error', () => undefined).on('close', () => sockets.delete(client))
    if (isAway) return client.resetAndDestroy()
    client.once('data', (head) => {
      const isWrite = /^(PATCH|PUT|POST|DELETE) /.test(head.toString('latin1', 0, 8))
      const active = isWrite && left > 0 ? fault : 'none'
      if (active !== 'none') left--
      if (active === 'reset-before') return client.resetAndDestroy()
      if (active === 'stall') return client.pause()
      if (active === 'refuse')
        return client.end(
          `HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: ${REFUSAL.length}\r\nConnection: close\r\n\r\n${REFUSAL}`,
        )
      if (isWrite) proxy.writes++
      const upstream = connect(Number(port), hostname)
      sockets.add(upstream)
      upstream.on('error', () => client.destroy()).on('close', () => sockets.delete(upstream))
      // Caddy's admin endpoint answers only to its own name.
      const text = head.toString('latin1').replaceAll(proxyHost, `${hostname}:${port}`)
      const forward = () => {
        upstream.write(Buffer.from(text, 'latin1'))
        client.pipe(upstream)
      }
      if (active === 'slow') setTimeout(forward, SLOW_MS)
      else forward()
      if (active === 'apply-then-reset') upstream.once('data', () => client.resetAndDestroy())
      else upstream.pipe(client)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  proxyHost = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  const proxy: FaultProxy = {
    url: `http://${proxyHost}`,
    writes: 0,
    inject: (next, times = 1) => {
      fault = next
      left = times
    },
    takeAway: () => {
      isAway = true
      for (const socket of sockets) socket.destroy()
    },
    bringBack: () => {
      isAway = false
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}
