import type { Container } from '#app/container'
import { CronRunner, defineJob, JobRuns } from '#infra/cron'
import { Leases } from '#infra/lock'
import { MailDeliverer } from '#infra/mail'
import { cleanup, Worker } from '#infra/queue'
import {
  billingPeriodClosureJob,
  costProjectionJob,
  Forecasts,
  invoiceFinalizationJob,
  invoiceGenerationJob,
  invoiceReminderJob,
} from '#modules/billing'
import { expiredKeyCleanupJob, keyRotationJob, keyVerificationJob } from '#modules/keys'
import { Notifier, notificationsCleanupJob, WebhookDeliverer } from '#modules/notifications'
import {
  dunningJob,
  paymentCollectionJob,
  paymentReconciliationJob,
  registerPayments,
  webhookInboxCleanupJob,
} from '#modules/payments'
import { promotionCleanupJob } from '#modules/pricing'
import {
  scheduledPlanChangesJob,
  subscriptionRenewalJob,
  trialExpirationJob,
} from '#modules/subscriptions'
import {
  addBookings,
  BookedCalls,
  registerUsage,
  usageCompletenessJob,
  usagePartitionsJob,
  usageRetentionJob,
  usageRollupJob,
} from '#modules/usage'

/** What was done and cancelled stays visible for so long; dead letters stay until somebody deals with them. */
const QUEUE_HISTORY_DAYS = 30

/** Which handler serves which event. */
export function buildWorker(container: Container): Worker {
  const { database, clock, logger, metrics, outsideRetry: retry } = container
  const { db } = database
  const worker = new Worker({ database, logger })
  const calls = new BookedCalls()
  addBookings(metrics, calls)
  registerUsage(worker, database, clock, calls)
  registerPayments(worker, container)
  new Notifier(db, clock).register(worker)
  const attach = (id: string) => container.invoices.attachment(id)
  new MailDeliverer({ db, clock, sender: container.mailSender, retry, attach }).register(worker)
  const { webhookSecrets: secrets, outboundPolicy: policy } = container
  new WebhookDeliverer({ db, clock, secrets, policy, retry }).register(worker)
  return worker
}

/** Which job runs when. */
export function buildCron(container: Container): CronRunner {
  const { config, database, clock, logger, renewals, sql, idempotency, completeness, pusher } =
    container
  return new CronRunner({
    leases: new Leases(database.db),
    runs: new JobRuns(database.db),
    clock,
    logger,
    jobs: [
      defineJob({
        name: 'gateway-health',
        schedule: '*/5 * * * * *',
        run: () => syncGateway(container),
      }),
      defineJob({
        name: 'gateway-reconcile',
        schedule: '40 */5 * * * *',
        run: () => container.reconciler.reconcileAll(),
      }),
      subscriptionRenewalJob(renewals, () => pusher.push()),
      billingPeriodClosureJob(container.invoicing),
      invoiceGenerationJob(container.invoicing),
      invoiceFinalizationJob(container.finalization),
      invoiceReminderJob(container.reminders),
      scheduledPlanChangesJob(renewals),
      trialExpirationJob(container.trials, () => pusher.push()),
      expiredKeyCleanupJob(database.db, () => pusher.push()),
      keyRotationJob(database.db),
      keyVerificationJob({ ...container, db: database.db }),
      usagePartitionsJob(sql, clock),
      usageRetentionJob(sql, config.usage.retentionDays),
      usageRollupJob(database),
      costProjectionJob(new Forecasts(database.db, container.pricing)),
      usageCompletenessJob(completeness),
      notificationsCleanupJob(database.db),
      promotionCleanupJob(database.db, container.pricingSync),
      paymentCollectionJob(container.collection, container.refunds),
      dunningJob(container.dunning),
      paymentReconciliationJob(container.reconciliation),
      webhookInboxCleanupJob(database.db),
      defineJob({
        name: 'queue-history-cleanup',
        schedule: '0 23 2 * * *',
        run: async (now) => {
          const keptFrom = new Date(now.getTime() - QUEUE_HISTORY_DAYS * 86_400_000)
          return { days: (await cleanup(database.db, keptFrom)).length }
        },
      }),
      defineJob({
        name: 'idempotency-keys-cleanup',
        schedule: '0 41 * * * *',
        run: async (now) => ({ deleted: await idempotency.deleteExpired(now) }),
      }),
    ],
  })
}

/**
 * Brings the gateways to what the database says, whatever happened to them: restarted empty,
 * reloaded, written by somebody else, away when a key was made.
 */
export async function syncGateway({ pusher, keys, coordinator }: Container) {
  const recovered = await coordinator.recover()
  const failed = await keys.failedSync()
  const { writes, down } = await pusher.push()
  return { recovered, writes, activated: await keys.activateSynced(failed), down: down.length }
}
