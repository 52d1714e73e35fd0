import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { extractText, getDocumentProxy } from 'unpdf'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '#lib/id'
import type { TestUser } from '#test/veil'
import { Calendar } from './calendar'

let story: Calendar
let admin: TestUser

const PRICING = `
version: 1
currencies: [EUR, JPY]
defaults:
  currency: EUR
  billingCycle: monthly
  billableStatuses: [{ from: 200, to: 399 }]
planTemplates: {}
seller: { name: Wetterdienst Köln GmbH, address: [Domstraße 1, 50667 Köln], country: DE, taxId: DE136695976 }
tax: { rates: [{ country: DE, rate: "19" }, { country: PL, rate: "23" }] }
invoice: { numberPrefix: "WK/2027-" }
`
const FLAT = { type: 'flat', flatFee: 123_450 }

beforeAll(async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'veil-pricing-')), 'pricing.yaml')
  writeFileSync(file, PRICING)
  story = await Calendar.start('2027-03-01T10:00:00Z', { PRICING_FILE: file })
  admin = await story.veil.admin()
})
afterAll(() => story.stop())

/** A customer with this profile, and the first invoice. */
async function invoiced(profile: Record<string, unknown> | null, plan = FLAT) {
  const subscriber = await story.subscriber(plan)
  const { token } = subscriber.user
  if (profile)
    await story.veil.expectOk('PUT', '/payments/billing-profile', { token, body: profile })
  await story.bill()
  const [invoice] = await story.invoices(subscriber)
  const get = (ending: string) =>
    fetch(`${story.veil.url}/pricing/invoices/${invoice.id}${ending}`, {
      headers: { authorization: `Bearer ${token}` },
    })
  return { subscriber, invoice, token, get }
}

const POLISH = {
  name: 'Zażółć Gęślą Jaźń s.r.o. «Ελλάς» Привет',
  address: ['ul. Świętokrzyska 12', '00-916 Warszawa'],
  country: 'PL',
}

describe('the document of an invoice', () => {
  test('as PDF has every figure and every letter', async () => {
    const { invoice, get } = await invoiced(POLISH)
    const response = await get('.pdf')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/pdf')
    expect(response.headers.get('content-disposition')).toMatch(/"WK-2027-\d{6}\.pdf"/)
    const pdf = await getDocumentProxy(new Uint8Array(await response.arrayBuffer()))
    const { text } = await extractText(pdf, { mergePages: true })
    // 1,234.50 and 23 % of it, 283.935, rounded half away from zero.
    for (const part of [
      ...[`Invoice ${invoice.number}`, 'Date: 2027-03-01', 'Due: 2027-03-15'],
      ...['Wetterdienst Köln GmbH', 'VAT id DE136695976', ...POLISH.address, POLISH.name],
      ...['Flat fee, 2027-03-01 to 2027-04-01', '1 × 123450', 'EUR 1,234.50'],
      ...['Tax 23 % (PL) EUR 283.94', 'Total EUR 1,518.44', 'Amount due EUR 1,518.44'],
    ])
      expect(text).toContain(part)
  })

  test('as HTML says the same, and lets nothing of the customer run', async () => {
    const { get } = await invoiced({ ...POLISH, name: '<script>alert("x")</script> & Co' })
    const response = await get('.html')
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    const html = await response.text()
    expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; Co')
    expect(html).not.toContain('<script>')
    expect(html).toContain('EUR 1,518.44')
  })

  test('a business in another member state owes the tax itself, and the invoice says so', async () => {
    const { invoice, get } = await invoiced({ ...POLISH, taxId: 'pl 856-734-62.15' })
    expect(invoice).toMatchObject({ total: 123_450, tax: 0, buyer: { taxId: 'PL8567346215' } })
    expect(invoice.taxes).toMatchObject([{ rate: '0', reason: 'reverse_charge' }])
    expect(await (await get('.html')).text()).toContain('Reverse charge')
  })

  test('a currency without minor units is written without', async () => {
    const yen = { ...FLAT, flatFee: 5_000, currency: 'JPY' }
    const { get } = await invoiced(null, yen)
    // Nobody said where the customer is: the seller's 19 %.
    expect(await (await get('.html')).text()).toContain('JPY 5,950')
  })

  test('is nobody else’s', async () => {
    const { invoice } = await invoiced(null)
    const { token } = await story.veil.user('consumer')
    for (const ending of ['.pdf', '.html']) {
      const path = `/pricing/invoices/${invoice.id}${ending}`
      expect((await story.veil.request('GET', path, { token })).status).toBe(404)
    }
  })
})

describe('a billing profile', () => {
  test('is made, read and changed; a final invoice keeps what it was', async () => {
    const { subscriber, invoice, token } = await invoiced(POLISH)
    const body = { ...POLISH, name: 'New name', region: 'MZ' }
    const changed = await story.veil.expectOk('PUT', '/payments/billing-profile', { token, body })
    expect(changed).toMatchObject({ ...body, taxId: null, taxIdConfirmed: null, taxExempt: false })
    expect(await story.get(subscriber.user, '/payments/billing-profile')).toEqual(changed)
    const [same] = await story.invoices(subscriber)
    expect(same.buyer).toEqual(invoice.buyer)
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['a VAT id with a wrong check digit', { taxId: 'PL8567346216' }, 'tax_id_invalid'],
    ['one of another country', { taxId: 'FR40303265045' }, 'tax_id_invalid'],
    ['a country that is none', { country: 'Poland' }, 'invalid_input'],
    ['no address', { address: [] }, 'invalid_input'],
    ['a name of several lines', { name: 'A\nB' }, 'invalid_input'],
    ['an exemption', { taxExempt: true }, 'invalid_input'],
  ])('%s is refused', async (_name, change, code) => {
    const { token } = await story.veil.user('consumer')
    const body = { ...POLISH, ...change }
    const answer = await story.veil.request('PUT', '/payments/billing-profile', { token, body })
    expect(answer).toMatchObject({ status: 422, body: { code } })
    const none = await story.veil.request('GET', '/payments/billing-profile', { token })
    expect(none).toMatchObject({ status: 404, body: { code: 'billing_profile_unknown' } })
  })

  test('an admin says who is exempt', async () => {
    const { subscriber, token } = await invoiced(POLISH)
    const path = (id: string) => `/admin/billing-profiles/${id}/tax-exempt`
    const put = (id: string) =>
      story.veil.request('PUT', path(id), { token: admin.token, body: { taxExempt: true } })
    expect(await put(subscriber.user.id)).toMatchObject({ status: 200, body: { taxExempt: true } })
    expect((await put(newId('usr', story.veil.clock))).status).toBe(404)
    const body = { ...POLISH, name: 'Still exempt' }
    const kept = await story.veil.expectOk('PUT', '/payments/billing-profile', { token, body })
    expect(kept.taxExempt).toBe(true)
    await story.travelTo('2027-04-01T12:00:00Z')
    await story.bill()
    const [, second] = await story.invoices(subscriber)
    expect(second).toMatchObject({ tax: 0, taxes: [{ reason: 'exempt' }] })
    await story.travelTo('2027-03-01T10:00:00Z')
  })
})

describe('corrections', () => {
  const post = (path: string, body?: unknown) =>
    story.veil.request('POST', path, { token: admin.token, body })

  test('a credit note takes back a part, then the rest, and no more', async () => {
    const { subscriber, invoice } = await invoiced(null)
    const path = `/admin/invoices/${invoice.id}/credit-notes`
    const part = await post(path, { reason: 'Outage', amount: 10_000 })
    // 19/119 of 100.00 is 15.97.
    expect(part).toMatchObject({
      ...{ status: 201, body: { subtotal: 8_403, tax: 1_597, total: 10_000, relieved: 10_000 } },
    })
    expect((await post(path, { reason: 'Rest' })).body).toMatchObject({ total: 136_906 })
    const [seen] = await story.invoices(subscriber)
    expect(seen).toMatchObject({ status: 'paid', amountDue: 0, amountCredited: 146_906 })
    const taxes = seen.creditNotes.map(({ tax }: { tax: number }) => tax)
    expect(taxes).toEqual([1_597, 21_859])
    const more = await post(path, { reason: 'More', amount: 1 })
    expect(more).toMatchObject({ status: 409, body: { code: 'credit_exceeds_invoice' } })
    const twice = await post(`/admin/invoices/${invoice.id}/void`)
    expect(twice).toMatchObject({ status: 409, body: { code: 'invoice_not_voidable' } })
  })

  test('void takes all of it back; the invoice stays, without anything due', async () => {
    const { invoice } = await invoiced(null)
    const path = `/admin/invoices/${invoice.id}`
    expect((await post(`${path}/void`)).body).toMatchObject({ status: 'void', amountDue: 0 })
    expect((await post(`${path}/void`)).status).toBe(200)
    const voided = await story.veil.expectOk('GET', '/admin/invoices?status=void', {
      token: admin.token,
    })
    expect(voided.items.map(({ id }: { id: string }) => id)).toContain(invoice.id)
  })

  test('an invoice by hand is a draft first, then like any other; it has no provider', async () => {
    const consumer = await story.veil.user('consumer')
    const body = {
      ...{ userId: consumer.id, title: 'Onboarding', currency: 'EUR' },
      lines: [{ description: 'Workshop, days', quantity: 2, unitAmount: 90_000 }],
    }
    const made = await post('/payments/invoices', body)
    expect(made).toMatchObject({ status: 201, body: { status: 'draft', number: null } })
    const { token } = consumer
    const early = `/pricing/invoices/${made.body.id}.pdf`
    expect((await story.veil.request('GET', early, { token })).status).toBe(409)
    await story.bill()
    const invoice = await story.get(consumer, `/pricing/invoices/${made.body.id}`)
    expect(invoice).toMatchObject({ status: 'open', subtotal: 180_000, tax: 34_200 })
    expect(invoice.lines).toMatchObject([{ amount: 180_000, explain: '2 × 90000' }])
    const rows = await story.veil.container.sql`select type, amount::int from ledger_entries
      join ledger_accounts on id = account_id join ledger_transactions t on t.id = transaction_id
      where reference = ${made.body.id} order by type`
    expect(rows.map(({ type, amount }) => [type, amount])).toEqual([
      ['platform_fee', -180_000],
      ['receivable', 214_200],
      ['tax_payable', -34_200],
    ])
    const stranger = { ...body, userId: newId('usr', story.veil.clock) }
    expect(await post('/payments/invoices', stranger)).toMatchObject({
      ...{ status: 404, body: { code: 'buyer_unknown' } },
    })
  })

  test('of an invoice that is not there: 404', async () => {
    for (const id of ['x', newId('inv', story.veil.clock)]) {
      expect((await post(`/admin/invoices/${id}/void`)).status).toBe(404)
      const path = `/admin/invoices/${id}`
      expect((await story.veil.request('GET', path, { token: admin.token })).status).toBe(404)
    }
  })
})
