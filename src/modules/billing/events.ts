import { z } from 'zod'
import { defineEvent } from '#infra/queue'
import { idSchema } from '#lib/id-schema'

const ofInvoice = z.object({ invoiceId: idSchema('inv'), at: z.iso.datetime() })
const HISTORY = { history: true }

/** It has its number and is from now on as it is. */
export const invoiceFinalized = defineEvent('invoice.finalized', ofInvoice, HISTORY)

/** A finalized invoice has something left to pay; not published where credit has paid it all. */
export const invoiceCollectionDue = defineEvent('invoice.collection-due', ofInvoice, HISTORY)

/** Its lines are below 0: what they are was added to the customer's credit. */
export const invoiceCarriedToCredit = defineEvent('invoice.carried-to-credit', ofInvoice)

/** Nothing is due any more, by payments, credit or credit notes. */
export const invoicePaid = defineEvent('invoice.paid', ofInvoice, HISTORY)

/** Nothing is owed for it any more, paid or void: a subscription that it cut off may go on. */
export const invoiceSettled = defineEvent('invoice.settled', ofInvoice, HISTORY)

export const invoicePastDue = defineEvent('invoice.past-due', ofInvoice, HISTORY)

/** Given up; a payment that comes nevertheless is taken. */
export const invoiceUncollectible = defineEvent('invoice.uncollectible', ofInvoice, HISTORY)

export const invoiceVoided = defineEvent('invoice.voided', ofInvoice, HISTORY)

/** A credit note took back a part of it, or all. */
export const invoiceCredited = defineEvent(
  'invoice.credited',
  ofInvoice.extend({ creditNoteId: idSchema('crn') }),
  HISTORY,
)
