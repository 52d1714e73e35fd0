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

export class BuyerUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'buyer_unknown'
  constructor(userId: string) {
    super(`There is no user ${userId} to be invoiced.`)
  }
}

export class BillingProfileUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'billing_profile_unknown'
  constructor() {
    super('There is no billing profile yet: PUT /payments/billing-profile makes one.')
  }
}

export class TaxIdInvalid extends AppError {
  readonly kind = 'invalid'
  readonly code = 'tax_id_invalid'
  constructor(country: string) {
    super(`The tax id is not a VAT id of ${country}: check its form and its digits.`, {
      errors: [{ in: 'body', pointer: '/taxId', message: `is not a VAT id of ${country}` }],
    })
  }
}
