import type { Db } from '#db/client'
import { violates } from '#db/errors'
import type { Clock } from '#lib/clock'
import { invariant } from '#lib/errors'
import { type Id, newId, parseId } from '#lib/id'
import type { Discount } from './engine/adjustments'
import { PlanSlugTaken, PlanUnknown } from './errors'
import { toTerms } from './plan-terms'
import type { Pricing, PricingSettings } from './pricing-file'
import type { PricingSource } from './pricing-source'
import { discountsOf, type PromotionService, type Redeemed, type Redeeming } from './promotions'
import { deleteRedemptions, redemptionsOf } from './promotions.repository'
import { costView } from './rating'
import type { Plan } from './repository'
import * as plans from './repository'
import type { PlanInput } from './schemas'
import { planView, templateViews } from './views'

export class PricingService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly source: PricingSource,
    private readonly promotions: PromotionService,
  ) {}

  private get pricing(): Pricing {
    return this.source.current()
  }

  /** What the operator's file says now of money beside prices. */
  settings(): PricingSettings {
    return this.pricing
  }

  templates() {
    return templateViews(this.pricing)
  }

  async plansOf(apiId: Id<'api'>) {
    return (await plans.listPlans(this.db, apiId)).map(planView)
  }

  async publicPlansOf(apiSlug: string) {
    return (await plans.listPublicPlans(this.db, apiSlug)).map(planView)
  }

  async publicPlan(id: string) {
    const known = parseId('plan', id)
    const plan = known && (await plans.findPublicPlan(this.db, known))
    if (!plan) throw new PlanUnknown(id)
    return planView(plan)
  }

  /** The plan of this API that may be subscribed to now. */
  async activePlan(apiId: Id<'api'>, id: string): Promise<Plan> {
    const known = parseId('plan', id)
    const plan = known && (await plans.findPlan(this.db, known))
    if (plan?.apiId !== apiId || plan.status !== 'active') throw new PlanUnknown(id)
    return plan
  }

  /** The version of a plan that a subscription has, active or not. */
  async planOf(db: Db, id: Id<'plan'>): Promise<Plan> {
    return invariant(await plans.findPlan(db, id), id)
  }

  async plansById(ids: Id<'plan'>[], db = this.db): Promise<Map<Id<'plan'>, Plan>> {
    const found = ids.length === 0 ? [] : await plans.findPlans(db, ids)
    return new Map(found.map((plan) => [plan.id, plan]))
  }

  async createPlan(apiId: Id<'api'>, input: PlanInput) {
    const terms = toTerms(input, this.pricing)
    const row = { ...terms, id: newId('plan', this.clock), apiId, createdAt: this.clock.now() }
    try {
      return planView(await this.db.transaction((tx) => plans.insertPlan(tx, row)))
    } catch (error) {
      const taken = ['pricing_models_version', 'pricing_models_current']
      if (taken.some((index) => violates(error, index))) throw new PlanSlugTaken(terms.slug)
      throw error
    }
  }

  /** Makes a new version; subscriptions keep the one they have. */
  async revisePlan(apiId: Id<'api'>, planId: string, input: PlanInput) {
    const current = await this.activePlan(apiId, planId)
    const terms = toTerms({ ...input, slug: current.slug }, this.pricing)
    const plan = await this.db.transaction(async (tx) => {
      const newest = await plans.lockNewest(tx, apiId, current.slug)
      // Whoever waited for the lock finds the row as the winner left it: archived.
      if (newest?.id !== current.id || newest.status !== 'active') throw new PlanUnknown(planId)
      await plans.archivePlan(tx, current.id)
      return plans.insertPlan(tx, {
        ...terms,
        id: newId('plan', this.clock),
        apiId,
        version: current.version + 1,
        createdAt: this.clock.now(),
      })
    })
    return planView(plan)
  }

  /** The redeemed promotions that count for a period, in the order in which they apply. */
  async discountsFor(
    db: Db,
    _subscriptionId: Id<'sub'>,
    { id }: { id: Id<'per'> },
  ): Promise<Discount[]> {
    return discountsOf(await redemptionsOf(db, [id]))
  }

  /** The same for many periods in one query; those without any are missing. */
  async discountsOfPeriods(db: Db, ids: Id<'per'>[]): Promise<Map<Id<'per'>, Discount[]>> {
    const redeemed = Map.groupBy(await redemptionsOf(db, ids), ({ periodId }) => periodId)
    return new Map([...redeemed].map(([id, group]) => [id, discountsOf(group)]))
  }

  /** See {@link PromotionService.redeem}. */
  redeem(tx: Db, redeeming: Redeeming): Promise<Redeemed> {
    return this.promotions.redeem(tx, redeeming)
  }

  /** Gives back what was redeemed for a subscription that never came to be; to be called before it goes. */
  release(tx: Db, subscriptionId: Id<'sub'>): Promise<void> {
    return deleteRedemptions(tx, subscriptionId)
  }

  /** What so many units would cost in one period, before tax. */
  async calculate(planId: string, units: number) {
    const known = parseId('plan', planId)
    const plan = known && (await plans.findPublicPlan(this.db, known))
    if (!plan) throw new PlanUnknown(planId)
    return costView(plan, units)
  }
}
