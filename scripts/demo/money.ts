import { expectEqual, expectThat, expectWithin } from './checks.ts'
import { type Client, send } from './client.ts'
import type { Narrator } from './narrator.ts'

interface Purse {
  narrator: Narrator
  consumer: Client
  /** Address of the REST API. */
  url: string
  /** Null where nobody knows an admin's password. */
  admin: Client | null
  subscriptionId: string
  /** A dearer plan of the same API. */
  businessPlanId: string
}

const JOBS = ['invoice-generation', 'invoice-finalization']

/** What money does: a change is priced before it is made, a fee is invoiced, verified, printed and paid. */
export async function tellOfMoney(purse: Purse): Promise<void> {
  const { narrator, consumer, admin, url, subscriptionId, businessPlanId } = purse
  const tell = narrator.asked.bind(narrator)

  await narrator.step('He looks what another plan would cost him now', async () => {
    const path = `/subscriptions/${subscriptionId}/plan-change/preview`
    const preview = await consumer.ask('GET', `${path}?planId=${businessPlanId}`)
    expectEqual('kind', preview.kind, 'upgrade')
    const sum = preview.adjustments.reduce(
      (total: number, { amount }: { amount: number }) => total + amount,
      0,
    )
    expectEqual('sum of the adjustments', sum, preview.total)
    for (const { description, amount, explain } of preview.adjustments)
      narrator.note(`${description}: ${amount} cents = ${explain}`)
    tell('GET …/plan-change/preview', `200, ${preview.total} cents for the rest of the cycle`)
  })

  if (admin === null) {
    narrator.note(
      'Invoices are made by jobs; with ADMIN_PASSWORD set, this story runs them at once.',
    )
    return
  }
  const invoice = await narrator.step('The fee of the month is invoiced', async () => {
    for (const job of JOBS) {
      const path = `${url}/admin/jobs/${job}/run`
      const { status } = await send(path, { method: 'POST', ...admin.signed() })
      // 409: its schedule has come at this moment, and it runs already.
      expectThat(`${job} by hand`, [200, 409].includes(status), '200', status)
    }
    const { answer: items } = await expectWithin(
      10_000,
      'invoices of the subscription',
      'a final one',
      async () => (await consumer.ask('GET', `/subscriptions/${subscriptionId}/invoices`)).items,
      ([first]) => first !== undefined && first.status !== 'draft',
    )
    expectEqual('invoices', items.length, 1)
    const found = await consumer.ask('GET', `/pricing/invoices/${items[0].id}`)
    expectEqual('subtotal', found.subtotal, 2900)
    expectEqual('total', found.total, found.subtotal + found.tax)
    tell(
      'GET /pricing/invoices/{id}',
      `200, ${found.number}: ${found.total} cents, ${found.status}`,
    )
    return found
  })

  await narrator.step('It can be made again from its inputs, and printed', async () => {
    const { verdict } = await consumer.ask('GET', `/pricing/invoices/${invoice.id}/verify`)
    expectEqual('verdict', verdict, 'equal')
    tell('GET /pricing/invoices/{id}/verify', `200, ${verdict}`)
    const pdf = await send(`${url}/pricing/invoices/${invoice.id}.pdf`, consumer.signed())
    expectThat('the document', String(pdf.body).startsWith('%PDF-'), 'a PDF', pdf.status)
    tell('GET /pricing/invoices/{id}.pdf', `200, ${pdf.headers.get('content-type')}`)
  })

  await narrator.step('He pays by transfer, and an admin notes it', async () => {
    const reference = `transfer for ${invoice.number}`
    await admin.ask('POST', `/admin/invoices/${invoice.id}/mark-paid`, { reference }, 201)
    const { status, amountDue } = await consumer.ask('GET', `/pricing/invoices/${invoice.id}`)
    expectEqual('status and what is due', [status, amountDue], ['paid', 0])
    tell(`POST /admin/invoices/{id}/mark-paid  "${reference}"`, '201; the invoice is paid')
  })
}
