import { randomUUID } from 'node:crypto'
import type { AtFailpoint } from '#lib/failpoint'
import type { CaddyServer } from './config-types'

const SERVER_PATH = '/config/apps/http/servers/veil'
const VERSION_PATH = `${SERVER_PATH}/@id`
/** From the server up to the whole configuration: the deepest one that exists guards the creation. */
const ANCESTORS = ['/config/apps/http/servers', '/config/apps/http', '/config/apps', '/config/']
const DEFAULT_TIMEOUT_MS = 30_000

export interface CaddyAdminOptions {
  /** For each call, in milliseconds. A push of 5,000 APIs takes Caddy some seconds. */
  timeoutMs?: number
  reached?: AtFailpoint
}

export interface ServerReading {
  /** What Caddy serves as `apps.http.servers.veil`, without its version; null when it has no such server. */
  server: CaddyServer | null
  /** Opaque; the next `writeServer` is refused as `conflict` when the configuration changed since. */
  etag: string
  /** It has the version of a server that was read or written before: changes of others to it do not show. */
  isRecalled?: boolean
}

/** A server by its version, as it was read or written. Never changed: what is hashed of it stays true. */
interface Known {
  version: string
  server: CaddyServer
}

/** What is known after a write; only `ambiguous` needs another look at the gateway. */
export type WriteOutcome =
  | { kind: 'applied' }
  /** Somebody else wrote first: read, plan and write again. */
  | { kind: 'conflict' }
  /** Caddy said no, in its own words; the old configuration keeps serving. */
  | { kind: 'refused'; reason: string }
  /** No answer, or not Caddy's: it may have been applied or not. */
  | { kind: 'ambiguous'; reason: string }
  /** The connection was refused: nothing was sent. */
  | { kind: 'unreachable'; reason: string }

/** The gateway could not be read. `reachable` tells whether anything answered. */
export class CaddyUnreadable extends Error {
  constructor(
    readonly url: string,
    readonly reachable: boolean,
    reason: string,
    cause?: unknown,
  ) {
    super(`the gateway at ${url} cannot be read: ${reason}`, { cause })
    this.name = 'CaddyUnreadable'
  }
}

/**
 * The admin API of one Caddy (2.6 or later), as far as Veil needs it: it reads and writes one server,
 * `apps.http.servers.veil`, and never anything beside it. Every call has its own connection: the
 * endpoint restarts with each change, and a kept one would be reset.
 */
export class CaddyAdmin {
  readonly url: string
  private readonly timeoutMs: number
  private readonly reached: AtFailpoint
  /** The last two: a write whose outcome is unknown, and what it was to replace. */
  private known: Known[] = []
  private lastRead: { body: string; server: CaddyServer } | null = null

  constructor(url: string, options: CaddyAdminOptions = {}) {
    this.url = url.replace(/\/+$/, '')
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    this.reached = options.reached ?? (() => undefined)
  }

  /** @throws CaddyUnreadable */
  async readServer(): Promise<ServerReading> {
    const { found, etag, body } = await this.readNode(SERVER_PATH)
    if (found) return { server: this.parse(body), etag }
    this.lastRead = null
    for (const path of ANCESTORS) {
      const ancestor = await this.readNode(path)
      if (ancestor.found) return { server: null, etag: ancestor.etag }
    }
    throw new CaddyUnreadable(this.url, true, 'it has no configuration at all')
  }

  /**
   * As `readServer`, but a server of a version that is known is not read once more: of 1,000 APIs and
   * 100,000 keys that is three megabytes. For what is about to be replaced anyway, or was just written.
   *
   * @throws CaddyUnreadable
   */
  async recallServer(): Promise<ServerReading> {
    if (this.known.length === 0) return this.readServer()
    const { found, etag, body } = await this.readNode(VERSION_PATH)
    const known = found && this.known.find(({ version }) => `${JSON.stringify(version)}\n` === body)
    return known ? { server: known.server, etag, isRecalled: true } : this.readServer()
  }

  /**
   * Replaces the whole server, or makes it (and the levels above it) when the reading had none. It gets a
   * version of its own as `@id`, which Caddy keeps and ignores: else a configuration that changes from one
   * to another and back would have its old ETag again, and a writer who slept through that would pass.
   */
  async writeServer(server: CaddyServer, etag: string): Promise<WriteOutcome> {
    const exists = /^"\S+\/servers\/veil[/ ]/.test(etag) && !etag.endsWith(MISSING)
    const ifMatch = etag.endsWith(MISSING) ? etag.slice(0, -MISSING.length) : etag
    const version = `veil_${randomUUID()}`
    this.remember({ version, server })
    try {
      const answer = this.call(SERVER_PATH, {
        method: exists ? 'PATCH' : 'PUT',
        headers: { 'content-type': 'application/json', 'if-match': ifMatch },
        body: JSON.stringify({ '@id': version, ...server }),
      })
      answer.catch(() => undefined)
      await this.reached('push.sent')
      const response = await answer
      await this.reached('push.answered')
      return outcomeOf(response.status, await response.text())
    } catch (error) {
      const reason = String(error)
      return { kind: isRefusedConnection(error) ? 'unreachable' : 'ambiguous', reason }
    }
  }

  /** Whether the admin endpoint answers in time. Never throws. */
  async ping(timeoutMs = this.timeoutMs): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(timeoutMs)
      const response = await this.call('/config/admin/listen', { signal })
      await response.text()
      return response.ok
    } catch {
      return false
    }
  }

  /**
   * The version as the build states it (`v2.11.7`), null where it does not: Caddy's admin API has no
   * call for it, and distributions' builds leave the module version out.
   */
  async version(): Promise<string | null> {
    try {
      const metrics = await (await this.call('/metrics', {})).text()
      return /^go_build_info\{[^}]*version="(v?\d[^"]*)"/m.exec(metrics)?.[1] ?? null
    } catch {
      return null
    }
  }

  private async readNode(path: string): Promise<{ found: boolean; etag: string; body: string }> {
    try {
      const response = await this.call(path, {})
      const body = await response.text()
      if (!response.ok && caddyError(body) === null) {
        throw new CaddyUnreadable(this.url, true, `status ${response.status} for ${path}`)
      }
      if (response.status === 403) {
        throw new CaddyUnreadable(this.url, true, `it refuses us: ${body.trim()}`)
      }
      const etag = response.headers.get('etag') ?? etagOf(path, body)
      const absent = body === 'null\n' && path === SERVER_PATH
      return { found: response.ok, etag: absent ? etag + MISSING : etag, body }
    } catch (error) {
      if (error instanceof CaddyUnreadable) throw error
      throw new CaddyUnreadable(this.url, !isRefusedConnection(error), String(error), error)
    }
  }

  private parse(body: string): CaddyServer | null {
    if (body === 'null\n') return null
    if (this.lastRead?.body === body) return this.lastRead.server
    const { '@id': version, ...server } = JSON.parse(body) as CaddyServer
    this.lastRead = { body, server }
    if (typeof version === 'string') this.remember({ version, server })
    return server
  }

  private remember(known: Known): void {
    const others = this.known.filter(({ version }) => version !== known.version)
    this.known = [...others.slice(-1), known]
  }

  private call(path: string, init: RequestInit): Promise<Response> {
    return fetch(this.url + path, {
      signal: AbortSignal.timeout(this.timeoutMs),
      ...init,
      headers: { ...init.headers, origin: this.url, connection: 'close' },
      keepalive: false,
      redirect: 'error',
    })
  }
}

/** Marks, after the real ETag, that the node was not there when it was read. */
const MISSING = ' (missing)'

/**
 * Caddy up to 2.7 sends the ETag of a configuration node as a trailer, which fetch does not show: the
 * path and the FNV-1a hash (32 bits, hex) of the body, newline included. Later versions send a header
 * with another hash (2.11: xxHash), which therefore goes first.
 */
function etagOf(path: string, body: string): string {
  return `"${path} ${fnv1a32(Buffer.from(body)).toString(16).padStart(8, '0')}"`
}

/** FNV-1a, 32 bits (draft-eastlake-fnv). About 1 ns a byte. */
export function fnv1a32(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < bytes.length; index++) {
    hash = Math.imul(hash ^ (bytes[index] ?? 0), 0x01000193)
  }
  return hash >>> 0
}

function outcomeOf(status: number, body: string): WriteOutcome {
  if (status >= 200 && status < 300) return { kind: 'applied' }
  if (status === 412 || status === 409) return { kind: 'conflict' }
  const reason = caddyError(body)
  if (reason === null)
    return { kind: 'ambiguous', reason: `status ${status} without Caddy's error` }
  // Made or removed between our reading and our write (2.6 answers 500 and 404 for it).
  if (/key (already exists|does not exist)|invalid traversal path/.test(reason)) {
    return { kind: 'conflict' }
  }
  return { kind: 'refused', reason }
}

function caddyError(body: string): string | null {
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed !== 'object' || parsed === null || !('error' in parsed)) return null
    return typeof parsed.error === 'string' ? parsed.error : null
  } catch {
    return null
  }
}

function isRefusedConnection(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return code === 'ECONNREFUSED' || code === 'ConnectionRefused'
}
