import type { Worker } from '#infra/queue'
import { invoiceCollectionDue } from '#modules/billing'
import type { Collection } from './collection'
import type { StripeInbox } from './stripe-inbox'

/** Which event has payments do what. Without a provider nobody is charged. */
export function registerPayments(
  worker: Worker,
  { collection, stripeInbox }: { collection: Collection | null; stripeInbox: StripeInbox },
): void {
  stripeInbox.register(worker)
  worker.on(invoiceCollectionDue, async ({ invoiceId }) => {
    await collection?.collect(invoiceId)
  })
}
