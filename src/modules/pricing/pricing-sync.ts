import { createHash } from 'node:crypto'
import type { Db } from '#db/client'
import type { Logger } from '#infra/logger'
import { publish } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { newId } from '#lib/id'
import { pricingFileBroken } from './events'
import { keepInForce } from './in-force'
import { PricingFileError } from './pricing-file'
import type { PricingSource } from './pricing-source'
import { rowOf } from './promotions'
import { apiIdOf, endFilePromotions, upsertFilePromotion } from './promotions.repository'
import { appendRevision } from './revisions.repository'

const LOOK_EVERY_MS = 1_000
/** Of one broken text, admins are told once, by whichever process is first. */
const TOLD_FOR_MS = 86_400_000

/** Puts the operator's file in force when it changes, and in the database what is read there. */
export class PricingSync {
  private timer: ReturnType<typeof setInterval> | null = null
  private looking: Promise<unknown> = Promise.resolve()
  private isDue = true
  private told = ''

  constructor(
    private readonly parts: {
      db: Db
      clock: Clock
      logger: Logger
      source: PricingSource
      dataDir: string
    },
  ) {}

  /** Looks at once and then every second: editors and mounts replace files, which watching one misses. */
  async start(): Promise<void> {
    await this.lookQuietly()
    this.timer = setInterval(() => {
      this.looking = this.looking.then(() => this.lookQuietly())
    }, LOOK_EVERY_MS)
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer)
    await this.looking
  }

  private async lookQuietly(): Promise<void> {
    await this.look().catch((error) =>
      this.parts.logger.warn({ reason: String(error) }, 'pricing.sync-failed'),
    )
  }

  /** Reads the file; one that is wrong leaves in force what was, and admins are told. */
  async look(): Promise<'unchanged' | 'applied' | 'broken'> {
    try {
      if (this.parts.source.reload()) this.isDue = true
    } catch (error) {
      if (!(error instanceof PricingFileError)) throw error
      await this.tell(error)
      return 'broken'
    }
    if (!this.isDue) return 'unchanged'
    const counts = await this.apply()
    keepInForce(this.parts.dataDir, this.parts.source.current())
    this.isDue = false
    this.told = ''
    this.parts.logger.info(counts, 'pricing.applied')
    return 'applied'
  }

  /** Writes the file's promotions and, when it differs from the newest, a revision. Safe to repeat. */
  async apply() {
    const { db, clock, source } = this.parts
    const pricing = source.current()
    const now = clock.now()
    return db.transaction(async (tx) => {
      const isNew = await appendRevision(tx, pricing, now)
      const skipped: string[] = []
      for (const [code, shape] of Object.entries(pricing.promotions)) {
        const apiId = shape.api === undefined ? null : await apiIdOf(tx, shape.api)
        const isLost = shape.api !== undefined && apiId === null
        const identity = { id: newId('prm', clock), code, apiId, createdAt: now }
        const row = { ...rowOf(shape), ...identity, source: 'file' as const }
        // One for an API that is not there yet waits for it.
        if (isLost || !(await upsertFilePromotion(tx, row, now))) skipped.push(code)
      }
      const ended = await endFilePromotions(tx, Object.keys(pricing.promotions), now)
      return { revised: Number(isNew), skipped: skipped.length, ended }
    })
  }

  private async tell({ file, mistakes, message }: PricingFileError): Promise<void> {
    if (message === this.told) return
    const { db, logger, clock } = this.parts
    logger.error({ file, mistakes }, 'pricing.file-broken')
    const at = clock.now().toISOString()
    const dedupeKey = createHash('sha256').update(message).digest('hex')
    const once = { dedupeKey, dedupeWindowMs: TOLD_FOR_MS }
    await publish(db, pricingFileBroken, { file, mistakes, at }, once)
    this.told = message
  }
}
