import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { startEchoUpstream, type TestServer } from '#test/gateway'
import type { FakeStripe } from '#test/stripe/index'
import { eventually, type TestUser, type TestVeil } from '#test/veil'
import { Life } from '../subscriptions/life-fixture'
import { addCard, balances, invoiceRow, owe, paymentsOf, startWithStripe } from './payments-fixture'

let veil: TestVeil
let stripe: FakeStripe
let upstream: TestServer
let life: Life
let admin: TestUser

const PLAN = {
  ...{ slug: 'p', name: 'P', type: 'flat', flatFee: 500 },
  rateLimits: [{ per: 'subscription', limit: 10, window: 'day' }],
}
const START = Date.parse('2027-03-01T10:00:00.000Z')
const DAY_MS = 86_400_000
/** Some days and an hour after the first decline, which came minutes after the start. */
const day = (days: number) => new Date(START + days * DAY_MS + 3_600_000)

beforeAll(async () => {
  ;({ veil, stripe } = await startWithStripe())
  upstream = startEchoUpstream('upstream')
})
afterAll(async () => {
  await stripe.stop()
  await veil.stop()
  await upstream.stop()
})

const nothing = {
  ...{ paid: 0, declined: 0, unclear: 0, pastDue: 0, softened: 0, suspended: 0, cancelled: 0 },
  ...{ uncollectible: 0, reinstated: 0, broken: 0 },
}
/** On a day, all jobs of payments; what dunning did. */
async function on(days: number): Promise<Record<string, number>> {
  await life.at(day(days))
  admin = await veil.admin()
  const { counts } = await veil.expectOk('POST', '/admin/jobs/dunning/run', { token: admin.token })
  return counts
}
const did = (counts: Partial<typeof nothing>) => ({ ...nothing, ...counts })
const subscription = async () => {
  const [row] = await veil.database.sql`
    select status, rate_limit_percent as percent from api_subscriptions
    where id = ${life.id.slice(4)}::uuid`
  return row as { status: string; percent: number }
}
const call = () => veil.call(`/${life.slug}`, life.key)
const callUntil = (status: number) => eventually(call, (answer) => answer.status === status)
const lastCard = () => stripe.all('payment_method').at(-1)?.id as string
const tries = async () => (await paymentsOf(veil, life.consumer, invoice)).length
const dunning = async () =>
  (await veil.expectOk('GET', '/admin/dunning?limit=100', { token: admin.token })).items.find(
    ({ invoiceId }: { invoiceId: string }) => invoiceId === invoice.id,
  )
const mailsTo = async ({ email }: TestUser): Promise<{ subject: string; text: string }[]> =>
  (await veil.expectOk('GET', '/admin/mails?limit=100', { token: admin.token })).items.filter(
    ({ to }: { to: string }) => to === email,
  )

let invoice: { id: string; userId: string }

/** A subscription whose card is declined when the first fee is due. */
async function begin(fate: Parameters<FakeStripe['cardBecomes']>[1]): Promise<void> {
  life = await Life.publish(
    veil,
    new Date(START).toISOString(),
    { p: PLAN },
    `http://127.0.0.1:${upstream.port}`,
  )
  await addCard({ veil, stripe }, life.consumer)
  stripe.cardBecomes(lastCard(), fate)
  await life.subscribe('p')
  await life.run('invoice-generation', 'invoice-finalization')
  const { items } = await life.ok('GET', '/invoices')
  invoice = { id: items[0].id, userId: life.consumer.id }
  await paymentsOf(veil, life.consumer, invoice, ([last]) => last?.status === 'failed')
}

beforeEach(() => begin('insufficient_funds'))
afterEach(async () => {
  stripe.faults.clear()
  // What a test leaves behind is nothing to the next one.
  const { sql } = veil.database
  await sql`update payment_records set status = 'failed' where status = 'pending'`
  await sql`update invoices set status = 'void' where status in ('open', 'past_due')`
  await veil.container.dunning.runOnce(veil.clock.now())
})

test('declined, tried on its days, softened, suspended; paid with a new card all is as before', async () => {
  await callUntil(200)
  expect(await on(0)).toEqual(did({ pastDue: 1 }))
  expect(await on(0.5)).toEqual(nothing)
  expect(await subscription()).toEqual({ status: 'past_due', percent: 100 })
  expect(await dunning()).toMatchObject({
    ...{ step: 'past_due', attempts: 1, failureCode: 'insufficient_funds', amountDue: 500 },
    ...{ startedAt: new Date(START).toISOString(), userId: life.consumer.id },
    ...{ subscriptionId: life.id, nextTryAt: new Date(START + 2 * DAY_MS).toISOString() },
    suspendsAt: new Date(START + 14 * DAY_MS).toISOString(),
    endsAt: new Date(START + 30 * DAY_MS).toISOString(),
  })
  expect(await on(1.9)).toEqual(nothing)
  expect(await on(2)).toEqual(did({ declined: 1 }))
  expect(await on(6.9)).toEqual(nothing)
  expect(await on(7)).toEqual(did({ declined: 1, softened: 1 }))
  expect(await on(7.1)).toEqual(nothing)
  expect(await subscription()).toEqual({ status: 'past_due', percent: 50 })
  await eventually(call, ({ headers }) => headers.get('ratelimit-policy')?.includes('q=5') ?? false)
  expect(await on(14)).toEqual(did({ declined: 1, suspended: 1 }))
  expect(await tries()).toBe(4)
  const refused = await callUntil(402)
  expect(await refused.json()).toMatchObject({ code: 'subscription_unpaid' })
  expect(await dunning()).toMatchObject({ step: 'suspended', attempts: 4 })

  await life.at(day(15))
  await addCard({ veil, stripe }, life.consumer, 'pm_card_mastercard')
  const counts = await on(15)
  expect(counts).toMatchObject({ paid: 1, declined: 0, suspended: 0, broken: 0 })
  await eventually(subscription, ({ status }) => status === 'active')
  expect(await subscription()).toEqual({ status: 'active', percent: 100 })
  await eventually(
    call,
    ({ status, headers }) =>
      status === 200 && (headers.get('ratelimit-policy')?.includes('q=10') ?? false),
  )
  expect(await invoiceRow(veil, invoice)).toMatchObject({ status: 'paid', paid: 500, due: 0 })
  expect(await dunning()).toBeUndefined()
  expect(await on(16)).toEqual(nothing)
  expect(await life.reasons()).toEqual([
    ...['subscribed', 'past_due', 'rate_limited', 'suspended', 'reinstated'],
  ])
  const subjects = (await mailsTo(life.consumer)).map(({ subject }) => subject)
  for (const words of ['failed', 'are lowered', 'is suspended', 'is active again'])
    expect(subjects.filter((subject) => subject.includes(words))).not.toEqual([])
})

test('who pays on a page is reinstated at once, without the job', async () => {
  expect(await on(14)).toEqual(did({ declined: 1, suspended: 1 }))
  const { token } = life.consumer
  const body = { invoiceId: invoice.id, via: 'checkout' }
  const { checkoutUrl } = await veil.expectOk('POST', '/payments', { token, body })
  stripe.payCheckout(checkoutUrl.split('/').at(-1), 'pm_card_visa')
  await eventually(subscription, ({ status }) => status === 'active')
  expect(await on(15)).toEqual(nothing)
})

test('never paid: it ends, its keys are refused, and the invoice is bad debt', async () => {
  const before = (await balances(veil, 'bad_debt')).EUR ?? 0
  for (const days of [0, 2, 7, 14, 21]) await on(days)
  expect(await tries()).toBe(5)
  expect(await on(29.9)).toEqual(nothing)
  expect(await on(30)).toEqual(did({ cancelled: 1, uncollectible: 1 }))
  expect(await on(31)).toEqual(nothing)
  expect(await tries()).toBe(5)
  expect((await subscription()).status).toBe('cancelled')
  await callUntil(401)
  expect(await invoiceRow(veil, invoice)).toMatchObject({ status: 'uncollectible', due: 500 })
  expect((await balances(veil, 'bad_debt')).EUR).toBe(before + 500)
  const mails = await mailsTo(life.consumer)
  expect(mails.map(({ subject }) => subject).join()).toContain('was not paid')
})

test('a lost card is not tried again; a new one is at the next run', async () => {
  stripe.cardBecomes(lastCard(), 'lost_card')
  expect(await on(2)).toMatchObject({ declined: 1 })
  expect(await on(7)).toEqual(did({ softened: 1 }))
  expect(await dunning()).toMatchObject({ failureCode: 'lost_card', nextTryAt: null })
  expect(await tries()).toBe(2)
  await addCard({ veil, stripe }, life.consumer)
  expect(await dunning()).toMatchObject({ nextTryAt: day(7).toISOString() })
  expect(await on(8)).toMatchObject({ paid: 1 })
  await eventually(subscription, ({ status }) => status === 'active')
})

test('where the owner has to confirm, the mail says how, and nothing is tried', async () => {
  stripe.cardBecomes(lastCard(), 'authentication_required')
  expect(await on(2)).toMatchObject({ declined: 1 })
  expect(await on(7)).toEqual(did({ softened: 1 }))
  const mails = await eventually(
    () => mailsTo(life.consumer),
    (all) => all.some(({ text }) => text.includes('your bank wants you to confirm')),
  )
  const mail = mails.find(({ text }) => text.includes('your bank wants you to confirm'))
  expect(mail?.text).toContain(`POST /payments {"invoiceId": "${invoice.id}", "via": "checkout"}`)
})

test('several runs at once do what one does', async () => {
  await life.at(day(14))
  const now = day(14)
  const runs = await Promise.all(
    Array.from({ length: 5 }, () => veil.container.dunning.runOnce(now)),
  )
  expect(runs.reduce((sum, { suspended }) => sum + suspended, 0)).toBe(1)
  expect(runs.every(({ broken }) => broken === 0)).toBe(true)
  expect(await tries()).toBe(2)
  expect(await on(14.1)).toEqual(nothing)
})

test('an invoice that was paid reinstates only when no other one is overdue', async () => {
  const other = await owe(veil, life.consumer, { subscriptionId: life.id as `sub_${string}` })
  await paymentsOf(veil, life.consumer, other, ([last]) => last?.status === 'failed')
  expect(await on(14)).toEqual(did({ declined: 2, suspended: 1 }))
  const paid = async (id: string, reference: string) => {
    const body = { reference: `${reference} ${id}` }
    await veil.expectOk('POST', `/admin/invoices/${id}/mark-paid`, { token: admin.token, body })
  }
  await paid(other.id, 'transfer')
  expect(await on(14.1)).toEqual(nothing)
  expect((await subscription()).status).toBe('suspended')
  await paid(invoice.id, 'transfer')
  await eventually(subscription, ({ status }) => status === 'active')
})

test('one that cannot be done stops none of the others, in dunning and in collection', async () => {
  const first = life.id.slice(4)
  await begin('insufficient_funds')
  const { sql } = veil.database
  await sql.unsafe(`create function refuse() returns trigger language plpgsql as
    $$ begin raise exception 'refused by the test'; end $$;
    create trigger refuse before update on api_subscriptions for each row
    when (old.id = '${first}') execute function refuse()`)
  expect(await on(2)).toEqual(did({ declined: 2, pastDue: 1, broken: 1 }))
  expect((await subscription()).status).toBe('past_due')
  await sql.unsafe('drop trigger refuse on api_subscriptions; drop function refuse')
  expect(await on(2.1)).toEqual(did({ pastDue: 1 }))

  // A try of somebody without a customer at Stripe: no code of ours leaves such a row.
  const odd = await owe(veil, await veil.user('consumer'), { isCollected: false })
  await sql`
    insert into payment_records (id, invoice_id, user_id, provider, channel, status, currency,
      amount, attempt, created_at)
    select gen_random_uuid(), id, user_id, 'stripe', 'card', 'pending', 'EUR', amount_due, 1,
      '2027-03-01T09:00:00Z' from invoices where id = ${odd.id.slice(4)}::uuid`
  const path = '/admin/jobs/payment-collection/run'
  const { counts } = await veil.expectOk('POST', path, { token: admin.token })
  expect(counts).toMatchObject({ broken: 1, refundsBroken: 0 })
  expect(veil.logs.join('')).toContain('payments.one-failed')
})

test('an invoice without a card is dunned from its due date on; one of no subscription is given up', async () => {
  const { id } = await owe(veil, await veil.user('consumer'))
  await veil.database.sql`alter table invoices disable trigger user`
  await veil.database.sql`update invoices set due_at = ${day(1)} where id = ${id.slice(4)}::uuid`
  await veil.database.sql`alter table invoices enable trigger user`
  await on(0)
  const seen = async () =>
    (await veil.expectOk('GET', '/admin/dunning?limit=100', { token: admin.token })).items.filter(
      ({ invoiceId }: { invoiceId: string }) => invoiceId === id,
    )
  expect(await seen()).toEqual([])
  await on(2)
  expect(await seen()).toMatchObject([
    { startedAt: day(1).toISOString(), attempts: 0, nextTryAt: null, subscriptionId: null },
  ])
  expect(await on(31)).toMatchObject({ uncollectible: 2, cancelled: 1 })
})

test('who is in dunning is for admins', async () => {
  expect((await veil.request('GET', '/admin/dunning')).status).toBe(401)
  const { token } = life.consumer
  expect((await veil.request('GET', '/admin/dunning', { token })).status).toBe(403)
  admin = await veil.admin()
  const bad = { token: admin.token }
  expect((await veil.request('GET', '/admin/dunning?cursor=nonsense', bad)).status).toBe(400)
})
