import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config } from '#app/config'
import type { Container } from '#app/container'
import { invariant } from '#lib/errors'
import {
  Authorizer,
  addEdge,
  EdgeDecisions,
  EdgeLoader,
  type EdgeServer,
  EdgeState,
  MissResolver,
  Shipper,
  SnapshotKeeper,
  startEdgeServer,
} from '#modules/gateway'

/** Where an edge keeps what it knows for a start without Postgres; it holds hashes, no keys. */
export const snapshotPath = ({ dataDir }: Config): string => resolve(dataDir, 'edge.snapshot')

/** The edge role: tells the gateway whether a call may pass, and the ledger what passed. */
export class Edge {
  private readonly loader: EdgeLoader
  private readonly state = new EdgeState()
  private servers: EdgeServer[] = []
  private readonly shipper: Shipper
  private sweep: ReturnType<typeof setInterval> | null = null

  /** @param usageLog path of the gateway's access log */
  constructor(
    private readonly container: Container,
    usageLog: string,
  ) {
    const { sql, logger, config, secrets } = container
    const snapshots = new SnapshotKeeper(snapshotPath(config), this.state, logger)
    this.loader = new EdgeLoader(sql, this.state, logger, snapshots)
    this.shipper = new Shipper({
      gatewayId: config.gateway.id,
      logPath: usageLog,
      journalPath: resolve(config.dataDir, `shipper-${config.gateway.id}.journal`),
      url: config.usage.url,
      token: invariant(secrets.usageTokens[0], 'a usage token'),
      logger,
    })
  }

  async start(): Promise<void> {
    const { config, clock, metrics, edgeCertificate: certificate } = this.container
    const decisions = new EdgeDecisions()
    addEdge(metrics, decisions)
    await this.loader.start()
    this.sweep = setInterval(() => this.state.sweep(clock.now().getTime()), 1_000)
    const { port, socket } = config.edge
    const answering = {
      certificate,
      authorizer: new Authorizer(this.state),
      clock,
      decisions,
      isCurrent: () => this.loader.isCurrent,
      misses: new MissResolver({ resolve: (keyId) => this.loader.resolve(keyId) }),
    }
    this.servers = [startEdgeServer({ ...answering, listen: { host: config.host, port } })]
    if (socket !== null) {
      // A killed run leaves its socket behind, and nobody can listen there until it is gone.
      rmSync(socket, { force: true })
      this.servers.push(startEdgeServer({ ...answering, listen: { unix: socket } }))
    }
    this.shipper.start()
  }

  async stop(): Promise<void> {
    await this.shipper.stop()
    await Promise.all(this.servers.map((server) => server.stop()))
    if (this.sweep) clearInterval(this.sweep)
    await this.loader.stop()
  }
}
