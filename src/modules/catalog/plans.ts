import type { Actor } from '#lib/access'
import type { PlanInput, PricingService } from '#modules/pricing'
import type { CatalogService } from './service'

/** Plans of APIs, for their owners: the catalog knows whose an API is, pricing what a plan is. */
export class PlanService {
  constructor(
    private readonly catalog: CatalogService,
    private readonly pricing: PricingService,
  ) {}

  async list(actor: Actor, apiId: string) {
    const api = await this.catalog.own(actor, apiId)
    return this.pricing.plansOf(api.id)
  }

  async create(actor: Actor, apiId: string, input: PlanInput) {
    const api = await this.catalog.own(actor, apiId)
    return this.pricing.createPlan(api.id, input)
  }

  async revise(actor: Actor, apiId: string, planId: string, input: PlanInput) {
    const api = await this.catalog.own(actor, apiId)
    return this.pricing.revisePlan(api.id, planId, input)
  }
}
