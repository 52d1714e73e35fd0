import { apiDescription } from '#app/api-description'
import type { Container } from '#app/container'
import { createHttpApp } from '#infra/http'
import { queueRoutes } from '#modules/backoffice'
import { runningCostRoutes } from '#modules/billing'
import { categoryRoutes, marketplaceRoutes, providerRoutes } from '#modules/catalog'
import { keyRoutes } from '#modules/keys'
import { mailRoutes, webhookRoutes } from '#modules/notifications'
import { pricingRoutes } from '#modules/pricing'
import { quotaRoutes } from '#modules/quota'
import { subscribeRoutes, subscriptionRoutes } from '#modules/subscriptions'
import {
  apiUsageRoutes,
  completenessRoutes,
  keyUsageRoutes,
  usageReportRoutes,
  usageRoutes,
} from '#modules/usage'
import { healthRoutes } from './health'

/** The HTTP side: which routes there are, and nothing else. */
export function buildApp(container: Container) {
  const { identity, subscriptions } = container
  return createHttpApp({
    groups: [
      healthRoutes(container),
      ...identity.routes,
      marketplaceRoutes(container.marketplace),
      subscribeRoutes(subscriptions),
      subscriptionRoutes(subscriptions),
      runningCostRoutes(container.runningCost),
      keyRoutes(container.keys, container.keyRotation),
      quotaRoutes(container.quota),
      usageRoutes(container.usage),
      usageReportRoutes(container.usageReports),
      keyUsageRoutes(container.usageReports),
      apiUsageRoutes(container.usageReports),
      completenessRoutes(container.completeness),
      webhookRoutes(container.webhooks),
      providerRoutes(container.catalog, container.plans),
      categoryRoutes(container.categories),
      pricingRoutes(container.pricing),
      mailRoutes(container.mails),
      queueRoutes(container.queue),
    ],
    authorize: identity.authorize,
    idempotency: container.idempotency,
    logger: container.logger,
    clock: container.clock,
    info: apiDescription,
  })
}
