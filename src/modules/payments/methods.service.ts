import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { type Id, newId, parseId } from '#lib/id'
import { PaymentMethodUnknown, PaymentsManual, ProviderAway } from './errors'
import type { PaymentMethod } from './methods.repository'
import * as methods from './methods.repository'
import { ProviderUnclear } from './provider-trouble'
import type { StripeApi } from './stripe'

/** The cards that customers let us charge. They are kept at Stripe; here stands which there are. */
export class PaymentMethodService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly stripe: StripeApi | null,
  ) {}

  async list(actor: Actor) {
    const rows = await methods.listMethods(this.db, actor.userId)
    return { items: rows.map((row, place) => methodView(row, place === 0)) }
  }

  /** Begins to add a card. It is there when Stripe says that the customer has confirmed it. */
  async setUp(actor: Actor) {
    const stripe = this.needStripe()
    return answered(async () => {
      const customer = await this.customerOf(actor.userId)
      const { id: setupIntentId, clientSecret } = await stripe.createSetup(customer)
      return { setupIntentId, clientSecret }
    })
  }

  /** Stripe first: until it has let go of the card, we may not say that it is gone. */
  async remove(actor: Actor, id: string): Promise<void> {
    const known = parseId('pm', id)
    const method = known && (await methods.findMethod(this.db, known))
    if (method?.userId !== actor.userId) throw new PaymentMethodUnknown(id)
    const stripe = this.needStripe()
    await answered(() => stripe.detach(method.externalId))
    const at = this.clock.now()
    await this.db.transaction(async (tx) => {
      const rows = await methods.listMethods(tx, actor.userId)
      const left = rows.filter((row) => row.id !== method.id).map(({ externalId }) => externalId)
      await methods.removeMethodsBut(tx, actor.userId, left, at)
      await recordAudit(tx, {
        ...{ actorId: actor.userId, action: 'payment-method.removed', subjectId: method.id, at },
      })
    })
  }

  /** Whether there is a card that can be charged. */
  async hasMethod(db: Db, userId: Id<'usr'>): Promise<boolean> {
    return (await this.chargeable(db, userId)) !== null
  }

  /** Whether a bill of this customer can be expected to be paid: where admins note payments, nobody needs a card. */
  async canPay(db: Db, userId: Id<'usr'>): Promise<boolean> {
    return this.stripe === null || (await this.hasMethod(db, userId))
  }

  /** The card that is charged: the newest. */
  async chargeable(db: Db, userId: Id<'usr'>): Promise<PaymentMethod | null> {
    const [newest] = await methods.listMethods(db, userId)
    return newest ?? null
  }

  /** What Stripe calls a card of ours, also one that was removed. */
  async externalIdOf(id: Id<'pm'>): Promise<string> {
    return invariant(await methods.findExternalId(this.db, id), id)
  }

  /** The user at Stripe, made at the first need. @throws ProviderUnclear */
  async customerOf(userId: Id<'usr'>): Promise<string> {
    const known = await methods.findCustomer(this.db, userId)
    if (known !== null) return known
    const externalId = await this.needStripe().createCustomer(userId)
    await methods.insertCustomer(this.db, { userId, externalId, createdAt: this.clock.now() })
    return (await methods.findCustomer(this.db, userId)) ?? externalId
  }

  /**
   * Makes our list that of Stripe. Events only say that it is worth looking, and those of one customer are
   * handled one after another: whatever the order in which they come, the last look is right.
   */
  async sync(customer: string): Promise<void> {
    const userId = await methods.findUserOfCustomer(this.db, customer)
    if (userId === null) return
    const cards = await this.needStripe().listCards(customer)
    const at = this.clock.now()
    await this.db.transaction(async (tx) => {
      const rows = cards.map((card) => ({ ...card, id: newId('pm', this.clock), userId }))
      await methods.upsertMethods(tx, rows)
      const left = cards.map(({ externalId }) => externalId)
      await methods.removeMethodsBut(tx, userId, left, at)
    })
  }

  private needStripe(): StripeApi {
    if (!this.stripe) throw new PaymentsManual()
    return this.stripe
  }
}

/** For people: what Stripe does not say clearly may be asked again. */
export async function answered<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof ProviderUnclear ? new ProviderAway() : error
  }
}

function methodView(row: PaymentMethod, isDefault: boolean) {
  const { id, brand, lastFour, expiryMonth, expiryYear, createdAt } = row
  const added = createdAt.toISOString()
  return { id, brand, lastFour, expiryMonth, expiryYear, isDefault, createdAt: added }
}
