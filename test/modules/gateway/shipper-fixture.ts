import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '#infra/logger'
import { Shipper, type ShipperOptions } from '../../../src/modules/gateway/shipper'
import type { JournalEntry } from '../../../src/modules/gateway/shipper-journal'
import { logLine } from './access-log-lines'
import { IngestStandIn } from './ingest-stand-in'

export const TOKEN = 'a-machine-token-of-at-least-32-characters'
export const KEY = 'AbCdEfGhIjK1'

export const line = (path: string, id: string = randomUUID(), padding = '') =>
  logLine({ keyId: KEY, path: `${path}?secret=1`, id, padding, at: 1_790_000_000.123 })
/** Calls of the paths `/from` until `/until`. */
export const lines = (from: number, until: number) =>
  range(from, until)
    .map((n) => line(`/${n}`))
    .join('')
export const refusedByGateway = `${JSON.stringify({ level: 'info', user_id: '', status: 401 })}\n`
export const range = (from: number, until: number) =>
  Array.from({ length: until - from }, (_, n) => from + n)
export const pathsOf = (from: number, until: number) => range(from, until).map((n) => `/${n}`)

/** A folder with a log, and an API to ship it to. */
export class ShipperFixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'veil-shipper-'))
  readonly log = join(this.folder, 'usage.log')
  readonly journal = join(this.folder, 'state', 'shipper.journal')
  readonly api = new IngestStandIn()

  newShipper(change: Partial<ShipperOptions> = {}): Shipper {
    return new Shipper({
      ...{ gatewayId: 'gateway-1', logPath: this.log, journalPath: this.journal },
      ...{ url: this.api.url, token: TOKEN, logger: createLogger('silent'), random: () => 0.01 },
      ...change,
    })
  }

  /** A name that Caddy gives a file when it rotates. */
  rotated(time: string): string {
    return join(this.folder, `usage-${time}.log`)
  }

  pieces(): JournalEntry[] {
    const text = readFileSync(this.journal, 'utf8')
    return text
      .split('\n')
      .filter(Boolean)
      .map((entry) => JSON.parse(entry))
  }

  async dispose(): Promise<void> {
    await this.api.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Until nothing is left to do. */
export async function shipAll(shipper: Shipper) {
  const rounds = []
  for (;;) {
    const round = await shipper.runOnce()
    if (round.shipped + round.skipped + round.malformed === 0) return rounds
    rounds.push(round)
  }
}
