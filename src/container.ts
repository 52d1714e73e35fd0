import type { Config } from '#app/config'
import type { Database } from '#db/client'
import { SandboxClock, systemClock } from '#infra/clock'
import { IdempotencyStore } from '#infra/http'
import type { Logger } from '#infra/logger'
import { SmtpSender } from '#infra/mail'
import { Metrics } from '#infra/metrics'
import { type RetryPolicy, StatsReader } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { type AtFailpoint, dieAt } from '#lib/failpoint'
import type { OutboundPolicy } from '#lib/outbound'
import { pinnedCertificate } from '#lib/pinned-certificate'
import { createSealer } from '#lib/sealing'
import { QueueService, SandboxService } from '#modules/backoffice'
import {
  BillingProfileService,
  CorrectionService,
  Finalization,
  InvoiceService,
  InvoiceVerification,
  Invoicing,
  Reminders,
  RunningCostService,
  Settlement,
  SpendCapService,
  TaxTable,
  Vies,
} from '#modules/billing'
import {
  CatalogService,
  CategoryService,
  MarketplaceService,
  PlanService,
  registerCatalog,
  TakedownService,
} from '#modules/catalog'
import {
  CaddyAdmin,
  Coordinator,
  DesiredApis,
  EdgeClient,
  Pusher,
  Reconciler,
} from '#modules/gateway'
import { createIdentity, type PasswordCost } from '#modules/identity'
import { KeyRotation, KeyService, keysOfSubscriptions } from '#modules/keys'
import { Ledger, LedgerReader } from '#modules/ledger'
import { MailService, WebhookSecrets, WebhookService } from '#modules/notifications'
import { createPayments, Dunning } from '#modules/payments'
import {
  PricingService,
  PricingSource,
  PricingSync,
  PromotionService,
  SimulationService,
} from '#modules/pricing'
import { QuotaService } from '#modules/quota'
import {
  type CancellationParts,
  CancellationService,
  Lifecycle,
  PauseService,
  type PlanChangeParts,
  PlanChangeService,
  RenewalService,
  registerEndings,
  SubscriptionService,
  Timekeeper,
  TrialService,
} from '#modules/subscriptions'
import { CompletenessService, UsageReports, UsageService } from '#modules/usage'

const PUSH_PATIENCE_MS = 4_000
/** Caddy takes about two seconds to provision 5,000 APIs. */
const ADMIN_CALL_TIMEOUT_MS = 8_000
/** Mails and webhooks: twenty tries over about a day on average. */
const OUTSIDE_RETRY: RetryPolicy = { maxAttempts: 20, baseMs: 5_000, capMs: 6 * 3_600_000 }

export interface ContainerOptions {
  config: Config
  database: Database
  logger: Logger
  secrets: Secrets
  gatewayAdminUrls: string[]
  clock?: Clock
  /** OWASP's unless stated; tests have no need to wait for it. */
  passwordCost?: PasswordCost
  /** How long a change waits for a gateway that is away before it is undone. */
  pushPatienceMs?: number
  /** For each call of a gateway's admin endpoint; 8 s unless stated. */
  adminCallTimeoutMs?: number
  /** How mails and webhooks are tried again; over about a day unless stated. */
  outsideRetry?: RetryPolicy
  /** After which a request to the payment provider counts as unanswered; 20 s unless stated. */
  paymentTimeoutMs?: number
  /** Told of each step of a change; dies at the configured one unless stated. */
  reached?: AtFailpoint
}

export interface Secrets {
  /** Encrypts what is secret in the database. */
  secret: string
  /** Accepted from gateways; the first is the one that our own shipper sends. */
  usageTokens: string[]
}

export type Container = ReturnType<typeof buildContainer>

/** Builds every service once. What depends on what can be read off the order. */
export function buildContainer(options: ContainerOptions) {
  const { config, database, logger, secrets } = options
  const sandboxClock = config.sandbox ? new SandboxClock(options.clock ?? systemClock) : null
  const clock = sandboxClock ?? options.clock ?? systemClock
  const { db, sql } = database
  const { coordinator, ...gateway } = buildGateways(options, clock)
  const identity = createIdentity({
    db,
    clock,
    sealer: createSealer(secrets.secret, 'signing-keys'),
    machineTokens: secrets.usageTokens,
    ...(options.passwordCost && { passwordCost: options.passwordCost }),
  })
  const idempotency = new IdempotencyStore(db, createSealer(secrets.secret, 'answers'), clock)
  const { pricing, ...prices } = pricingServices(options, clock)
  const { publicUrl, allowPrivateUpstreams: allowPrivate } = config.gateway
  const outboundPolicy = { allowPrivate, ownPorts: ownPorts(options) }
  const catalog = new CatalogService(db, clock, coordinator, pricing, outboundPolicy, publicUrl)
  registerCatalog(coordinator)
  const takedowns = new TakedownService(db, clock, coordinator, publicUrl)
  const categories = new CategoryService(db, clock)
  const plans = new PlanService(catalog, pricing)
  const marketplace = new MarketplaceService(db, pricing, publicUrl)
  const firstKeys = keysOfSubscriptions(clock)
  const billing = billingServices(options, clock, pricing)
  const payments = paymentServices(options, clock, billing)
  const subscriptions = new SubscriptionService(
    db,
    clock,
    coordinator,
    marketplace,
    pricing,
    firstKeys,
    payments.paymentMethods,
  )
  const life = subscriptionServices({
    ...{ db, clock, coordinator, pricing, subscriptions },
    ...{ keys: firstKeys, payments: payments.paymentMethods },
  })
  const keys = new KeyService(db, clock, coordinator, subscriptions)
  const keyRotation = new KeyRotation(clock, coordinator, keys)
  const quota = new QuotaService(db, subscriptions, keys, pricing, clock)
  const usage = new UsageService(database, clock, config.usage.backlogLimit)
  const completeness = new CompletenessService(database, clock)
  const usageReports = new UsageReports(database, clock, { subscriptions, keys, catalog, quota })
  const queueStatistics = new StatsReader(database.sql)
  const queue = new QueueService(database, clock, queueStatistics)
  const invoices = new InvoiceService(db, subscriptions)
  const owing = { db, clock, logger, ...billing, ...life, ...payments }
  return {
    ...{ config, database, logger, clock, sql, secrets },
    ...{ identity, catalog, categories, plans, marketplace, pricing, subscriptions, keys, quota },
    ...{ takedowns, usage, usageReports, completeness, queue, queueStatistics, keyRotation },
    ...{ ...gateway, ...prices, ...life, coordinator, idempotency, metrics: new Metrics() },
    runningCost: new RunningCostService(db, quota, pricing, clock),
    sandbox: new SandboxService(database, sandboxClock),
    spendCaps: new SpendCapService(db, quota, clock),
    ...{ ...billing, ...payments, invoices },
    dunning: new Dunning({ ...owing, rules: () => pricing.settings().dunning }),
    verification: new InvoiceVerification({
      ...{ db, clock, pricing, invoices, retentionDays: config.usage.retentionDays },
    }),
    corrections: new CorrectionService(db, clock, invoices, billing.settlement),
    ...notificationServices(options, clock, outboundPolicy),
  }
}

/** Plans, promotions and the operator's file. */
function pricingServices({ config, database: { db }, logger }: ContainerOptions, clock: Clock) {
  const source = new PricingSource(config.pricingFile)
  const promotions = new PromotionService(db, clock)
  const pricing = new PricingService(db, clock, source, promotions)
  const { dataDir } = config
  const pricingSync = new PricingSync({ db, clock, logger, source, dataDir })
  const simulation = new SimulationService(db, clock, pricing)
  return { pricing, promotions, pricingSync, simulation }
}

/** What becomes of subscriptions, once they stand. */
function subscriptionServices(parts: Omit<PlanChangeParts & CancellationParts, 'timekeeper'>) {
  registerEndings(parts.coordinator)
  const timekeeper = new Timekeeper(parts)
  const all = { ...parts, timekeeper }
  const renewals = new RenewalService(parts.db, parts.clock, timekeeper)
  return {
    ...{ renewals, trials: new TrialService({ ...all, renewals }) },
    lifecycle: new Lifecycle(all),
    planChanges: new PlanChangeService(all),
    cancellations: new CancellationService(all),
    pauses: new PauseService(all),
  }
}

/** What keeps the gateways at what the database says, and knows where the edges are. */
function buildGateways(options: ContainerOptions, clock: Clock) {
  const { config, secrets, logger, database } = options
  const { db } = database
  const reached = options.reached ?? dieAt(config.failpoint)
  const { gatewayAdminUrls, adminCallTimeoutMs: timeoutMs = ADMIN_CALL_TIMEOUT_MS } = options
  const gateways = gatewayAdminUrls.map((url) => new CaddyAdmin(url, { timeoutMs, reached }))
  const edgeCertificate = pinnedCertificate(secrets.secret, 'edge.veil')
  const edges = new EdgeClient(config.edge.dials, edgeCertificate)
  const desiredApis = new DesiredApis(db)
  const loadDesired = async () => ({
    listen: config.gateway.listen,
    edgeDials: config.edge.dials,
    edgeCertificate,
    keyHeader: config.gateway.keyHeader,
    apis: await desiredApis.load(),
  })
  const patienceMs = options.pushPatienceMs ?? PUSH_PATIENCE_MS
  const pusher = new Pusher(gateways, loadDesired, logger, patienceMs, reached)
  const coordinator = new Coordinator(db, pusher, clock, logger, reached)
  const reconciler = new Reconciler(db, gateways, loadDesired, pusher, clock)
  return { gateways, edges, edgeCertificate, pusher, coordinator, reconciler }
}

/** Who owes whom, and the papers about it. */
function billingServices(options: ContainerOptions, clock: Clock, pricing: PricingService) {
  const { config, database } = options
  const { db } = database
  const settings = () => pricing.settings()
  const ledger = new Ledger()
  const settlement = new Settlement(ledger, settings)
  const register = config.viesUrl === null ? null : new Vies(config.viesUrl)
  const finalizing = { taxRules: new TaxTable(settings), settings }
  const reached = options.reached ?? dieAt(config.failpoint)
  return {
    ...{ ledger, ledgerReader: new LedgerReader(db), settlement },
    reminders: new Reminders(db, settlement, settings),
    invoicing: new Invoicing({ db, pricing, settings }),
    finalization: new Finalization({ db, ledger, reached, ...finalizing }),
    billingProfiles: new BillingProfileService(db, clock, register),
  }
}

/** Cards, payments and what Stripe tells of them. */
function paymentServices(
  options: ContainerOptions,
  clock: Clock,
  { settlement, ledger }: { settlement: Settlement; ledger: Ledger },
) {
  const { config, database, logger, paymentTimeoutMs } = options
  const stripe = config.stripe && {
    ...config.stripe,
    ...(paymentTimeoutMs !== undefined && { timeoutMs: paymentTimeoutMs }),
  }
  return createPayments({
    ...{ db: database.db, clock, logger, settlement, ledger, stripe },
    returnUrl: config.paymentReturnUrl,
    reached: options.reached ?? dieAt(config.failpoint),
  })
}

/** Mails and webhooks. */
function notificationServices(
  { config, database: { db }, secrets, outsideRetry = OUTSIDE_RETRY }: ContainerOptions,
  clock: Clock,
  outboundPolicy: OutboundPolicy,
) {
  const webhookSecrets = new WebhookSecrets(createSealer(secrets.secret, 'webhook-secrets'))
  const webhooks = new WebhookService(db, clock, webhookSecrets, outboundPolicy)
  const mailSender = config.mail && new SmtpSender(config.mail)
  const mails = new MailService(db)
  return { mails, mailSender, webhooks, webhookSecrets, outboundPolicy, outsideRetry }
}

/** Ports of this machine that must not be reached through the gateway. */
function ownPorts({ config, database, gatewayAdminUrls }: ContainerOptions): number[] {
  const { port, edge, gateway, metrics } = config
  const admin = gatewayAdminUrls.map((url) => Number(new URL(url).port || 80))
  const addresses = [...gateway.listen, ...edge.dials].map((address) =>
    Number(/:(\d+)$/.exec(address)?.[1] ?? 0),
  )
  return [port, edge.port, gateway.port, ...addresses, ...admin, database.port].concat(
    metrics.port ?? [],
  )
}
