import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy whose target can be taken away: connections end and new ones are refused. */
export class TcpProxy {
  private readonly sockets = new Set<Socket>()
  private away = false
  private readonly server = createServer((client) => {
    if (this.away) return client.resetAndDestroy()
    const upstream = connect(this.targetPort, '127.0.0.1')
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.sockets.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy()).on('close', () => this.sockets.delete(from))
    }
  })

  private constructor(private readonly targetPort: number) {}

  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort)
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    const address = this.server.address()
    return typeof address === 'object' ? (address?.port ?? 0) : 0
  }

  takeAway(): void {
    this.away = true
    for (const socket of this.sockets) socket.destroy()
  }

  bringBack(): void {
    this.away = false
  }

  async stop(): Promise<void> {
    this.takeAway()
    await new Promise((resolve) => this.server.close(resolve))
  }
}
