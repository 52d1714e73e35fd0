import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { type Id, parseId } from '#lib/id'
import * as profiles from './billing-profile.repository'
import { BillingProfileUnknown, TaxIdInvalid } from './errors'
import { isEuCountry, isVatIdOf, plainVatId } from './vat-id'

export interface BillingProfileInput {
  name: string
  address: string[]
  country: string
  region?: string
  taxId?: string
}

/** A register of VAT ids on the network, such as VIES. */
export interface VatRegister {
  /** Whether there is such an id; null when the register does not answer. */
  knows(id: string): Promise<boolean | null>
}

/** Who a customer is on paper. Finalized invoices keep what it was then. */
export class BillingProfileService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly register: VatRegister | null,
  ) {}

  async get(actor: Actor) {
    const profile = await profiles.findProfile(this.db, actor.userId)
    if (!profile) throw new BillingProfileUnknown()
    return profileView(profile)
  }

  /** The register is asked before anything is written: it may take its time. */
  async put(actor: Actor, { name, address, country, region, taxId: given }: BillingProfileInput) {
    const taxId = given === undefined ? null : plainVatId(given)
    const isEu = isEuCountry(country)
    if (isEu && taxId !== null && !isVatIdOf(country, taxId)) throw new TaxIdInvalid(country)
    const isAsked = isEu && taxId !== null && this.register !== null
    const taxIdConfirmed = isAsked ? ((await this.register?.knows(taxId)) ?? null) : null
    const updatedAt = this.clock.now()
    await this.db.transaction(async (tx) => {
      await profiles.writeProfile(tx, {
        ...{ userId: actor.userId, name, address, country, region: region ?? null },
        ...{ taxId, taxIdConfirmed, updatedAt },
      })
      await recordAudit(tx, {
        ...{ actorId: actor.userId, action: 'billing.profile-changed', subjectId: actor.userId },
        ...{ details: { country, hasTaxId: taxId !== null, taxIdConfirmed }, at: updatedAt },
      })
    })
    return this.get(actor)
  }

  /** An admin has seen the certificate, or it is over. */
  async setExempt(actor: Actor, userId: string, taxExempt: boolean) {
    const known: Id<'usr'> | null = parseId('usr', userId)
    const at = this.clock.now()
    return this.db.transaction(async (tx) => {
      const profile = known && (await profiles.writeExempt(tx, known, taxExempt, at))
      if (!profile) throw new BillingProfileUnknown()
      await recordAudit(tx, {
        ...{ actorId: actor.userId, action: 'billing.tax-exempt-set', subjectId: profile.userId },
        ...{ details: { taxExempt }, at },
      })
      return profileView(profile)
    })
  }
}

function profileView({ userId, ...profile }: profiles.BillingProfile) {
  return { ...profile, updatedAt: profile.updatedAt.toISOString() }
}
