import type { Db } from '#db/client'
import type { Actor } from '#lib/access'
import { type Id, parseId } from '#lib/id'
import { type Page, type PageRequest, toPage } from '#lib/page'
import type { SubscriptionService } from '#modules/subscriptions'
import { InvoiceUnknown } from './errors'
import type { Invoice } from './invoice.repository'
import * as invoices from './invoice.repository'
import { documentResponse, invoiceAttachment } from './invoice-response'
import { invoiceSummary, invoiceView, periodView } from './invoice-views'

/** Invoices and billing periods, for those whose they are. */
export class InvoiceService {
  constructor(
    private readonly db: Db,
    private readonly subscriptions: SubscriptionService,
  ) {}

  async list(actor: Actor, page: PageRequest) {
    return summaries(await invoices.listInvoices(this.db, { userId: actor.userId }, page), page)
  }

  async ofSubscription(actor: Actor, subscriptionId: string, page: PageRequest) {
    const { id } = await this.subscriptions.own(actor, subscriptionId)
    return summaries(await invoices.listInvoices(this.db, { subscriptionId: id }, page), page)
  }

  /** As JSON, or as a document where the id ends in `.pdf` or `.html`. */
  async get(actor: Actor, name: string) {
    const [, id = name, ending] = /^(.*)\.(pdf|html)$/.exec(name) ?? []
    const invoice = await this.own(actor, id)
    if (ending === undefined) return this.view(invoice)
    return documentResponse(invoice, ending === 'pdf' ? 'pdf' : 'html')
  }

  async periods(actor: Actor, page: PageRequest) {
    const rows = await invoices.listPeriods(this.db, actor.userId, page)
    const items = rows.map((row) => ({
      ...row,
      id: row.period.id,
      createdAt: row.period.createdAt,
    }))
    const { items: shown, nextCursor } = toPage(items, page.limit)
    return { items: shown.map(periodView), nextCursor }
  }

  /** What a mail has attached that names this invoice; null where it is another id. */
  async attachment(id: string) {
    const known = parseId('inv', id)
    const invoice = known && (await invoices.findInvoice(this.db, known))
    return invoice && invoiceAttachment(invoice)
  }

  /** The invoice by its id, if it is the actor's. @throws InvoiceUnknown */
  async own(actor: Actor, id: string): Promise<Invoice> {
    const invoice = await this.any(id)
    if (invoice.userId !== actor.userId) throw new InvoiceUnknown(id)
    return invoice
  }

  /** @throws InvoiceUnknown */
  async any(id: string): Promise<Invoice> {
    const known: Id<'inv'> | null = parseId('inv', id)
    const invoice = known && (await invoices.findInvoice(this.db, known))
    if (!invoice) throw new InvoiceUnknown(id)
    return invoice
  }

  async view(invoice: Invoice) {
    return invoiceView(invoice, await invoices.creditNotesOf(this.db, invoice.id))
  }
}

function summaries(
  rows: Invoice[],
  { limit }: PageRequest,
): Page<ReturnType<typeof invoiceSummary>> {
  const { items, nextCursor } = toPage(rows, limit)
  return { items: items.map(invoiceSummary), nextCursor }
}
