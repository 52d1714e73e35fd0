import type { InvoiceStatus } from '#db/schema/billing'
import { AppError } from '#lib/errors'

export class InvoiceUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'invoice_unknown'
  constructor(id: string) {
    super(`There is no invoice ${id} here.`)
  }
}

export class InvoiceNotVoidable extends AppError {
  readonly kind = 'conflict'
  readonly code = 'invoice_not_voidable'
  constructor(id: string, status: InvoiceStatus) {
    super(
      `Invoice ${id} is ${status}: only one that is owed in full can be voided. Issue a credit note instead.`,
    )
  }
}

export class InvoiceNotFinal extends AppError {
  readonly kind = 'conflict'
  readonly code = 'invoice_not_final'
  constructor(id: string, status: InvoiceStatus) {
    super(`Invoice ${id} is ${status}: there is nothing to pay, credit or collect.`)
  }
}

export class CreditExceedsInvoice extends AppError {
  readonly kind = 'conflict'
  readonly code = 'credit_exceeds_invoice'
  constructor(id: string, left: bigint) {
    super(`Of invoice ${id} ${left} minor units are left to be credited, not more.`)
  }
}

export class InvoiceCurrencyDiffers extends AppError {
  readonly kind = 'conflict'
  readonly code = 'invoice_currency_differs'
  constructor(id: string, currency: string, paid: string) {
    super(`Invoice ${id} is in ${currency}; ${paid} cannot pay it.`)
  }
}
