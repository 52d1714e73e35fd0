import type { Worker } from '#infra/queue'
import { invoiceCarriedToCredit, invoiceCollectionDue, invoiceSettled } from '#modules/billing'
import type { Collection } from './collection'
import type { CreditRefunds } from './credit-refunds'
import type { Dunning } from './dunning'
import type { StripeInbox } from './stripe-inbox'

interface PaymentHandlers {
  collection: Collection | null
  creditRefunds: CreditRefunds
  stripeInbox: StripeInbox
  dunning: Dunning
}

/** Which event has payments do what. Without a provider nobody is charged. */
export function registerPayments(
  worker: Worker,
  { collection, creditRefunds, stripeInbox, dunning }: PaymentHandlers,
): void {
  stripeInbox.register(worker)
  worker.on(invoiceCollectionDue, async ({ invoiceId }) => {
    await collection?.collect(invoiceId)
  })
  worker.on(invoiceCarriedToCredit, ({ invoiceId }) => creditRefunds.giveBack(invoiceId))
  worker.on(invoiceSettled, ({ invoiceId }) => dunning.recover(invoiceId))
}
