import type { Attachment } from '#infra/mail'
import { InvoiceNotFinal } from './errors'
import type { Invoice } from './invoice.repository'
import { documentOf } from './invoice-document'
import { invoiceHtml } from './invoice-html'
import { invoicePdf } from './invoice-pdf'

/** Nothing runs in it and nothing is loaded, whatever somebody was called. */
const STRICT = "default-src 'none'; style-src 'unsafe-inline'"

/** @throws InvoiceNotFinal for a draft, which is no document yet */
export async function documentResponse(invoice: Invoice, form: 'pdf' | 'html'): Promise<Response> {
  const { id, status, number } = invoice
  if (number === null) throw new InvoiceNotFinal(id, status)
  const document = documentOf(invoice)
  if (form === 'html')
    return new Response(invoiceHtml(document), {
      headers: {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': STRICT,
        ...COMMON,
      },
    })
  return new Response(await invoicePdf(document), {
    headers: {
      'content-type': 'application/pdf',
      'content-disposition': `inline; filename="${fileName(number)}"`,
      ...COMMON,
    },
  })
}

const COMMON = { 'cache-control': 'private, no-store', 'x-content-type-options': 'nosniff' }

/** Prefixes may have slashes. */
const fileName = (number: string): string => `${number.replaceAll('/', '-')}.pdf`

/** What is attached to the mail about an invoice; null while it is no document. */
export async function invoiceAttachment(invoice: Invoice): Promise<Attachment | null> {
  const { number } = invoice
  if (number === null) return null
  const content = await invoicePdf(documentOf(invoice))
  return { filename: fileName(number), contentType: 'application/pdf', content }
}
