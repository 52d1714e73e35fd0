import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '#db/client'
import { migrate } from '#db/migrate'
import { systemClock } from '#infra/clock'
import { type RunningPostgres, startPostgres } from '#infra/embedded'
import type { TestDatabase } from './database'

/** A Postgres for one test alone, which may be stopped as if the machine had lost it. */
export class OwnPostgres {
  private constructor(
    private readonly folder: string,
    private server: RunningPostgres,
  ) {}

  static async start(): Promise<OwnPostgres> {
    const folder = mkdtempSync(join(tmpdir(), 'veil-own-postgres-'))
    const server = await startPostgres({ dataDir: join(folder, 'postgres') })
    await migrate(server.url, systemClock)
    return new OwnPostgres(folder, server)
  }

  /** Its one database; connections have to be closed before it is killed. */
  open(): TestDatabase {
    const { url } = this.server
    const database = connect({ url, maxConnections: 8, applicationName: 'test' })
    return { ...database, url, drop: () => database.close() }
  }

  /** `pg_ctl stop -m immediate`: no checkpoint, no goodbye; the log is replayed at the start that follows. */
  async killAndStart(): Promise<void> {
    process.kill(this.server.pid, 'SIGQUIT')
    await this.server.exited
    const { port } = this.server
    this.server = await startPostgres({ dataDir: join(this.folder, 'postgres'), port })
  }

  async stop(): Promise<void> {
    await this.server.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
