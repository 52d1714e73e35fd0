import type { Db } from '#db/client'
import { enqueueMails } from '#infra/mail'
import { moneyText } from '#lib/money-text'
import * as owed from './reminders.repository'
import type { BillingSettings } from './settings'
import type { Settlement } from './settlement'

const DAY_MS = 86_400_000
const AT_ONCE = 500

/** Reminds of invoices that are soon due, once each, and marks those whose day has passed. */
export class Reminders {
  constructor(
    private readonly db: Db,
    private readonly settlement: Settlement,
    private readonly settings: () => BillingSettings,
  ) {}

  async remind(now: Date): Promise<{ reminded: number; pastDue: number }> {
    return { pastDue: await this.markPastDue(now), reminded: await this.remindBefore(now) }
  }

  private async markPastDue(now: Date): Promise<number> {
    for (let marked = 0; ; ) {
      const overdue = await owed.overdueInvoices(this.db, now, AT_ONCE)
      for (const { id } of overdue)
        await this.db.transaction((tx) => this.settlement.markPastDue(tx, id, now))
      marked += overdue.length
      if (overdue.length < AT_ONCE) return marked
    }
  }

  /** The outbox knows each mail by its invoice: a second run adds none. */
  private async remindBefore(now: Date): Promise<number> {
    const { reminderDaysBefore } = this.settings().invoice
    const until = new Date(now.getTime() + reminderDaysBefore * DAY_MS)
    let after = now
    for (let reminded = 0; ; ) {
      const due = await owed.invoicesDueBetween(this.db, after, until, AT_ONCE)
      await enqueueMails(this.db, due.map(reminder), { now: () => now })
      reminded += due.length
      const last = due.at(-1)?.dueAt
      if (!last || due.length < AT_ONCE) return reminded
      after = last
    }
  }
}

function reminder({ id, number, dueAt, amountDue, currency, email, name }: owed.OwedInvoice) {
  const [amount, day] = [moneyText(amountDue, currency), dueAt?.toISOString().slice(0, 10)]
  return {
    ...{ dedupeKey: `invoice-reminder:${id}`, to: email },
    subject: `Invoice ${number} is due on ${day}`,
    text: [
      `Hello ${name},`,
      `${amount} of invoice ${number} is due on ${day}.`,
      `GET /pricing/invoices/${id} shows it.`,
      'Veil',
    ].join('\n\n'),
  }
}
