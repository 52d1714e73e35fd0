import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK } from 'jose'
import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { Clock } from '#lib/clock'
import type { Sealer } from '#lib/sealing'
import {
  deleteSigningKeysRetiredBefore,
  insertSigningKey,
  listSigningKeys,
  lockSigningKeys,
  retireSigningKeys,
  type SigningKeyRow,
} from './repository'
import type { Jwks } from './schemas'

export const ALGORITHM = 'EdDSA'
export const ACCESS_TOKEN_SECONDS = 15 * 60

type Key = Awaited<ReturnType<typeof importKey>>

export interface SigningKey {
  kid: string
  privateKey: Key
}

interface Keyring {
  /** By the clock, when it was read. */
  readAt: number
  rows: Map<string, SigningKeyRow>
  current: SigningKeyRow | null
}

/** How long a process goes on with the keys that it knows before it looks again. */
const KEPT_MS = 60_000
/** An unknown `kid` makes us look at once, but junk tokens must not become a flood of queries. */
const UNKNOWN_KEY_INTERVAL_MS = 1_000
/** Tokens of a retired key live on; another replica may sign with it until it looks again. */
const GRACE_MS = ACCESS_TOKEN_SECONDS * 1000 + KEPT_MS

/**
 * The Ed25519 keys that sign access tokens, shared through the database: whichever replica needs one
 * first makes it, and every replica accepts what another has signed.
 */
export class SigningKeys {
  private keyring: Keyring | null = null
  /** Counts our own changes, so that a reading begun before one is not kept after it. */
  private changes = 0
  private signing: SigningKey | null = null
  private readonly imported = new Map<string, Key>()

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly sealer: Sealer,
  ) {}

  /** The key to sign with; made if there is none. */
  async current(): Promise<SigningKey> {
    const { current } = await this.read(KEPT_MS)
    const row = current ?? (await this.createFirst())
    if (this.signing?.kid !== row.kid) this.signing = await this.open(row)
    return this.signing
  }

  /** The key that checks a token of this `kid`; null when there is none or its time is over. */
  async publicKey(kid: string): Promise<Key | null> {
    const known = (await this.read(KEPT_MS)).rows.get(kid)
    const row = known ?? (await this.read(UNKNOWN_KEY_INTERVAL_MS)).rows.get(kid)
    if (!row || !this.isAccepted(row)) return null
    const key = this.imported.get(kid) ?? (await importKey(row.publicJwk))
    this.imported.set(kid, key)
    return key
  }

  /** The public keys whose tokens are accepted (RFC 7517). */
  async jwks(): Promise<Jwks> {
    await this.current()
    const { rows } = await this.read(KEPT_MS)
    const accepted = [...rows.values()].filter((row) => this.isAccepted(row))
    return { keys: accepted.map((row) => row.publicJwk as Jwks['keys'][number]) }
  }

  /** Signs with a new key from now on; tokens of the old one stay good until they expire. */
  async rotate(): Promise<{ kid: string }> {
    const now = this.clock.now()
    const kid = await this.db.transaction(async (tx) => {
      await lockSigningKeys(tx)
      await retireSigningKeys(tx, now)
      await deleteSigningKeysRetiredBefore(tx, new Date(now.getTime() - GRACE_MS))
      return (await this.create(tx, 'signing-key.rotated')).kid
    })
    this.forget()
    return { kid }
  }

  private async createFirst(): Promise<SigningKeyRow> {
    const row = await this.db.transaction(async (tx) => {
      await lockSigningKeys(tx)
      // Another replica may have been faster.
      const current = currentOf(await listSigningKeys(tx))
      return current ?? (await this.create(tx, 'signing-key.created'))
    })
    this.forget()
    return row
  }

  private async create(tx: Db, action: `signing-key.${string}`): Promise<SigningKeyRow> {
    const pair = await generateKeyPair(ALGORITHM, { extractable: true })
    const publicPart = await exportJWK(pair.publicKey)
    const kid = await calculateJwkThumbprint(publicPart)
    const at = this.clock.now()
    const row = {
      kid,
      publicJwk: { ...publicPart, kid, alg: ALGORITHM, use: 'sig' },
      encryptedPrivateJwk: this.sealer.seal(JSON.stringify(await exportJWK(pair.privateKey))),
      createdAt: at,
      retiredAt: null,
    }
    await insertSigningKey(tx, row)
    await recordAudit(tx, { actorId: null, action, subjectId: kid, at })
    return row
  }

  private async open(row: SigningKeyRow): Promise<SigningKey> {
    const jwk = JSON.parse(this.unseal(row)) as Record<string, unknown>
    return { kid: row.kid, privateKey: await importKey(jwk) }
  }

  private unseal(row: SigningKeyRow): string {
    try {
      return this.sealer.open(row.encryptedPrivateJwk)
    } catch (cause) {
      throw new Error('signing key cannot be opened: VEIL_SECRET is not the one that sealed it', {
        cause,
      })
    }
  }

  private isAccepted(row: SigningKeyRow): boolean {
    return row.retiredAt === null || this.age(row.retiredAt.getTime()) < GRACE_MS
  }

  private async read(maxAgeMs: number): Promise<Keyring> {
    const known = this.keyring
    // A clock that was set back must not keep a keyring for ever.
    if (known && Math.abs(this.age(known.readAt)) < maxAgeMs) return known
    const changes = this.changes
    const readAt = this.clock.now().getTime()
    const rows = await listSigningKeys(this.db)
    const byKid = new Map(rows.map((row) => [row.kid, row]))
    const keyring = { readAt, rows: byKid, current: currentOf(rows) }
    if (this.changes === changes) this.keyring = keyring
    return keyring
  }

  private forget(): void {
    this.changes++
    this.keyring = null
  }

  private age(at: number): number {
    return this.clock.now().getTime() - at
  }
}

/** Rows come newest first. */
const currentOf = (rows: SigningKeyRow[]): SigningKeyRow | null =>
  rows.find((row) => row.retiredAt === null) ?? null

async function importKey(jwk: Record<string, unknown>) {
  return importJWK(jwk, ALGORITHM)
}
