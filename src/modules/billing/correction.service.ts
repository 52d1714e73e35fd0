import type { Db } from '#db/client'
import type { InvoiceStatus } from '#db/schema/billing'
import { recordAudit } from '#infra/audit'
import type { Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { type Id, newId, parseId } from '#lib/id'
import { type PageRequest, toPage } from '#lib/page'
import { BuyerUnknown } from './errors'
import * as invoices from './invoice.repository'
import type { InvoiceService } from './invoice.service'
import { creditNoteView, invoiceSummary } from './invoice-views'
import type { Settlement } from './settlement'

export interface ManualInvoice {
  userId: string
  title: string
  currency: string
  lines: { description: string; quantity: number; unitAmount: number }[]
}

/** What admins do to invoices, each with a line in the audit log. */
export class CorrectionService {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly invoices: InvoiceService,
    private readonly settlement: Settlement,
  ) {}

  async list(status: InvoiceStatus | undefined, page: PageRequest) {
    const rows = await invoices.listInvoices(this.db, { ...(status && { status }) }, page)
    const { items, nextCursor } = toPage(rows, page.limit)
    return { items: items.map(invoiceSummary), nextCursor }
  }

  async get(id: string) {
    return this.invoices.view(await this.invoices.any(id))
  }

  async void(actor: Actor, id: string) {
    const invoice = await this.invoices.any(id)
    const at = this.clock.now()
    await this.db.transaction(async (tx) => {
      await this.settlement.void(tx, invoice.id, at)
      await this.record(tx, actor, 'invoice.voided', invoice.id, {}, at)
    })
    return this.get(id)
  }

  /** @param amount minor units with tax; all that is left of the invoice where it is not stated */
  async credit(actor: Actor, id: string, reason: string, amount?: number) {
    const { id: invoiceId, total, amountCredited } = await this.invoices.any(id)
    const at = this.clock.now()
    const credited = amount === undefined ? total - amountCredited : BigInt(amount)
    const note = await this.db.transaction(async (tx) => {
      const issued = await this.settlement.credit(tx, { invoiceId, amount: credited, reason, at })
      const details = { creditNoteId: issued.id, amount: Number(credited), reason }
      await this.record(tx, actor, 'invoice.credited', invoiceId, details, at)
      return issued
    })
    return creditNoteView(note)
  }

  /** A draft of what the operator sells beside subscriptions; the next finalization makes it an invoice. */
  async invoice(actor: Actor, { userId, title, currency, lines }: ManualInvoice) {
    const buyer: Id<'usr'> | null = parseId('usr', userId)
    if (!buyer || !(await invoices.userExists(this.db, buyer))) throw new BuyerUnknown(userId)
    const at = this.clock.now()
    const id = newId('inv', this.clock)
    await this.db.transaction(async (tx) => {
      await invoices.insertManualDraft(tx, {
        ...{ id, userId: buyer, title, currency, createdAt: at },
        lines: lines.map(({ description, quantity, unitAmount }) => ({
          ...{ code: 'manual', description, quantity, amount: quantity * unitAmount, tax: 0 },
          ...{ rate: null, explain: `${quantity} × ${unitAmount}`, source: { kind: 'manual' } },
        })),
      })
      await this.record(tx, actor, 'invoice.drafted', id, { userId, currency }, at)
    })
    return this.get(id)
  }

  private record(
    tx: Db,
    { userId: actorId }: Actor,
    action: `invoice.${string}`,
    subjectId: Id<'inv'>,
    details: Record<string, unknown>,
    at: Date,
  ): Promise<void> {
    return recordAudit(tx, { actorId, action, subjectId, details, at })
  }
}
