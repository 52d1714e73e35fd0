import { apiDescription } from '#app/api-description'
import { buildCron } from '#app/background'
import type { Container } from '#app/container'
import { JobRuns } from '#infra/cron'
import { createHttpApp } from '#infra/http'
import { httpTimes } from '#infra/metrics'
import { JobService, jobRoutes, queueRoutes, sandboxRoutes } from '#modules/backoffice'
import {
  billingProfileRoutes,
  billingRoutes,
  correctionRoutes,
  invoiceRoutes,
  manualInvoiceRoutes,
  subscriptionInvoiceRoutes,
} from '#modules/billing'
import { categoryRoutes, marketplaceRoutes, providerRoutes, takedownRoutes } from '#modules/catalog'
import { gatewayRoutes } from '#modules/gateway'
import { keyRoutes } from '#modules/keys'
import { ledgerAdminRoutes, ledgerRoutes } from '#modules/ledger'
import { mailRoutes, webhookRoutes } from '#modules/notifications'
import {
  dunningRoutes,
  invoicePaymentRoutes,
  manualPaymentRoutes,
  paymentMethodRoutes,
  paymentRoutes,
  refundRoutes,
  stripeInboxRoutes,
} from '#modules/payments'
import { pricingRoutes, promotionAdminRoutes, promotionRoutes } from '#modules/pricing'
import { quotaRoutes } from '#modules/quota'
import {
  lifecycleRoutes,
  planChangeRoutes,
  subscribeRoutes,
  subscriptionRoutes,
} from '#modules/subscriptions'
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
  const { identity, subscriptions, clock } = container
  const { db } = container.database
  const jobs = new JobService(db, clock, buildCron(container), new JobRuns(db))
  return createHttpApp({
    groups: [
      healthRoutes(container),
      ...identity.routes,
      marketplaceRoutes(container.marketplace),
      subscribeRoutes(subscriptions),
      subscriptionRoutes(subscriptions),
      planChangeRoutes(container.planChanges),
      lifecycleRoutes(subscriptions, container.cancellations, container.pauses),
      billingRoutes(container.runningCost, container.spendCaps),
      invoiceRoutes(container.invoices, container.verification),
      subscriptionInvoiceRoutes(container.invoices),
      billingProfileRoutes(container.billingProfiles),
      manualInvoiceRoutes(container.corrections),
      correctionRoutes(container.corrections, container.billingProfiles),
      ledgerRoutes(container.ledgerReader),
      ledgerAdminRoutes(container.ledgerReader),
      keyRoutes(container.keys, container.keyRotation),
      quotaRoutes(container.quota),
      usageRoutes(container.usage),
      usageReportRoutes(container.usageReports),
      keyUsageRoutes(container.usageReports),
      apiUsageRoutes(container.usageReports),
      completenessRoutes(container.completeness),
      paymentMethodRoutes(container.paymentMethods),
      paymentRoutes(container.payments),
      refundRoutes(container.refunds),
      invoicePaymentRoutes(container.payments),
      manualPaymentRoutes(container.payments),
      dunningRoutes(container.dunning),
      stripeInboxRoutes(container.stripeInbox),
      webhookRoutes(container.webhooks),
      providerRoutes(container.catalog, container.plans),
      categoryRoutes(container.categories),
      takedownRoutes(container.takedowns),
      pricingRoutes(container.pricing, container.simulation),
      promotionRoutes(container.promotions),
      promotionAdminRoutes(container.promotions),
      mailRoutes(container.mails),
      queueRoutes(container.queue),
      gatewayRoutes(container.reconciler),
      jobRoutes(jobs),
      sandboxRoutes(container.sandbox),
    ],
    authorize: identity.authorize,
    idempotency: container.idempotency,
    logger: container.logger,
    clock: container.clock,
    info: apiDescription,
    onAnswered: httpTimes(container.metrics),
  })
}
