import type { PinnedCertificate } from '#lib/pinned-certificate'

const PATIENCE_MS = 2_000

/** A key by what the database knows of it: its text is known to nobody here. */
export interface KnownKey {
  /** `key_…` */
  id: string
  apiId: string
  secretHash: Uint8Array
}

/** Asks the edges what the gateway asks them, over the same pinned TLS. */
export class EdgeClient {
  constructor(
    /** `host:port` or `unix/<path>`. */
    readonly dials: readonly string[],
    private readonly certificate: PinnedCertificate,
  ) {}

  /** @throws when the edge does not answer, or not in time */
  async requireAlive(dial: string): Promise<void> {
    const { ok, status } = await this.get(dial, '/health/live')
    if (!ok) throw new Error(`status ${status}`)
  }

  /**
   * What an edge thinks of a key, without a call being made: null when it is in force, else the code
   * of the refusal.
   * @throws when the edge does not answer, or not in time
   */
  async standing(dial: string, { id, apiId, secretHash }: KnownKey): Promise<string | null> {
    const key = `${id}.${Buffer.from(secretHash).toString('hex')}`
    const headers = { 'X-Veil-Key': key, 'X-Veil-Api': apiId }
    const response = await this.get(dial, '/gateway/standing', headers)
    if (response.status === 204) return null
    const { code } = (await response.json()) as { code: string }
    return code
  }

  private get(dial: string, path: string, headers: Record<string, string> = {}) {
    const { serverName, certificatePem: ca } = this.certificate
    const unix = dial.startsWith('unix/') ? dial.slice('unix/'.length) : undefined
    return fetch(`https://${unix === undefined ? dial : serverName}${path}`, {
      headers,
      ...(unix !== undefined && { unix }),
      tls: { ca, serverName },
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
  }
}
