import { afterAll, beforeAll, expect, test } from 'vitest'
import { subscriptionAdjustments } from '#db/schema/subscriptions'
import { type Id, newId } from '#lib/id'
import { Calendar, linesOf, type Subscriber } from './calendar'

let story: Calendar

beforeAll(async () => {
  story = await Calendar.start('2027-01-31T10:00:00Z')
})
afterAll(() => story.stop())

/** 29.00 a month in advance; 2 units are included, then 0.50 each. */
const HYBRID = {
  type: 'flat',
  flatFee: 2900,
  quota: { limit: 2, hard: false, overageRate: '50' },
}
const FREE = { type: 'free', quota: { limit: 1000, hard: true } }

/** A plan change, as its owner writes it down. */
async function adjust({ id }: Subscriber, amount: bigint, code: 'plan_change_credit' | 'manual') {
  const { sql, database } = story.veil.container
  const [period] = await sql`select id from billing_periods
    where subscription_id = ${id.slice(4)}::uuid order by ordinal desc limit 1`
  await database.db.insert(subscriptionAdjustments).values({
    ...{ id: newId('adj', story.veil.clock), subscriptionId: id as Id<'sub'>, currency: 'EUR' },
    ...{ billingPeriodId: `per_${period?.id.replaceAll('-', '')}`, code, amount },
    ...{ description: 'Unused time', explain: 'by hand', createdAt: story.veil.clock.now() },
  })
}

/** As a cancellation at once leaves it. */
async function end({ id }: Subscriber): Promise<void> {
  const at = story.veil.clock.now().toISOString()
  await story.veil.container.sql`with ended as (
      update api_subscriptions set status = 'cancelled', ended_at = ${at}::text::timestamptz
      where id = ${id.slice(4)}::uuid)
    update billing_periods set status = 'closed', ends_at = least(ends_at, ${at}::text::timestamptz)
    where subscription_id = ${id.slice(4)}::uuid and status = 'open'`
}

test('a month: the fee at once, then one invoice for what was used and the next fee', async () => {
  await story.travelTo('2027-01-31T10:00:00Z')
  const subscriber = await story.subscriber(HYBRID)
  await story.bill()
  await story.bill()
  const [first, ...more] = await story.invoices(subscriber)
  expect(more).toEqual([])
  expect(first).toMatchObject({
    ...{ status: 'open', total: 2900, tax: 0, amountDue: 2900, title: /^Story \d+ · P$/ },
    ...{ finalizedAt: /^2027-01-31T10:00/, dueAt: /^2027-02-14T10:00/, number: /^VEIL-\d{6}$/ },
    lines: [{ code: 'flat_fee', description: 'Flat fee, 2027-01-31 to 2027-02-28', amount: 2900 }],
  })
  await story.use(subscriber, 5)

  await story.travelTo('2027-02-28T10:59:00Z')
  await story.bill()
  expect(await story.invoices(subscriber)).toHaveLength(1)
  await story.travelTo('2027-02-28T11:01:00Z')
  await story.bill()
  await story.bill()
  const [, second, ...others] = await story.invoices(subscriber)
  expect(others).toEqual([])
  // 5 − 2 units at 0.50, and the fee from 28 February on.
  expect(linesOf(second)).toEqual([
    ['overage', 150],
    ['flat_fee', 2900],
  ])
  expect(second).toMatchObject({ total: 3050, lines: [{ quantity: 3 }, { quantity: 1 }] })
})

test('calls that come late stand on the next invoice, after the end on one of their own', async () => {
  await story.travelTo('2027-03-01T00:00:00Z')
  const subscriber = await story.subscriber(HYBRID)
  await story.bill()
  await story.use(subscriber, 3)
  await story.travelTo('2027-04-01T01:30:00Z')
  await story.bill()
  await story.use(subscriber, 4, new Date('2027-03-31T23:00:00Z'))
  await story.bill()
  expect(await story.invoices(subscriber)).toHaveLength(2)

  await story.travelTo('2027-04-10T00:00:00Z')
  await end(subscriber)
  await story.travelTo('2027-04-10T02:00:00Z')
  await story.bill()
  const [, second, third] = await story.invoices(subscriber)
  expect(linesOf(second)).toEqual([
    ['overage', 50],
    ['flat_fee', 2900],
  ])
  // 7 units in March instead of 3: 2.50 instead of 0.50.
  expect(linesOf(third)).toEqual([['late_usage', 200]])

  await story.use(subscriber, 3, new Date('2027-04-05T00:00:00Z'))
  await story.bill()
  await story.bill()
  const [, , , last, ...more] = await story.invoices(subscriber)
  expect(more).toEqual([])
  expect(linesOf(last)).toEqual([['late_usage', 50]])
  expect(last.lines[0].explain).toBe('50 − 0: 3 and 0 units')
})

test('a free plan is settled without an invoice, adjustments alone wait for the end of the period', async () => {
  await story.travelTo('2027-05-01T00:00:00Z')
  const subscriber = await story.subscriber(FREE)
  await adjust(subscriber, 300n, 'manual')
  await story.bill()
  expect(await story.invoices(subscriber)).toEqual([])
  await story.travelTo('2027-06-01T02:00:00Z')
  await story.bill()
  const [only] = await story.invoices(subscriber)
  expect(linesOf(only)).toEqual([['manual', 300]])
  await story.travelTo('2027-07-01T02:00:00Z')
  await story.bill()
  expect(await story.invoices(subscriber)).toHaveLength(1)
  const { items } = await story.get(subscriber.user, '/pricing/billing-periods')
  expect(items.map(({ status }: { status: string }) => status)).toEqual([
    ...['open', 'invoiced', 'invoiced'],
  ])
})

test('what is below zero is carried to the credit, and pays the next invoices', async () => {
  await story.travelTo('2027-08-01T00:00:00Z')
  const subscriber = await story.subscriber(HYBRID)
  await story.bill()
  await adjust(subscriber, -7000n, 'plan_change_credit')
  await story.travelTo('2027-09-01T02:00:00Z')
  await story.bill()
  const [, second] = await story.invoices(subscriber)
  expect(linesOf(second)).toEqual([
    ['plan_change_credit', -7000],
    ['flat_fee', 2900],
  ])
  expect(second).toMatchObject({
    ...{ status: 'paid', subtotal: -4100, total: 0, carriedToCredit: 4100, amountDue: 0 },
  })
  const credits = () => story.get(subscriber.user, '/payments/credits')
  expect(await credits()).toEqual([{ currency: 'EUR', credit: 4100, prepaid: 0 }])

  await story.travelTo('2027-10-01T02:00:00Z')
  await story.bill()
  await story.travelTo('2027-11-01T02:00:00Z')
  await story.bill()
  const [, , third, fourth] = await story.invoices(subscriber)
  expect(third).toMatchObject({ status: 'paid', creditApplied: 2900, amountDue: 0 })
  expect(fourth).toMatchObject({ status: 'open', creditApplied: 1200, amountDue: 1700 })
  expect(await credits()).toEqual([{ currency: 'EUR', credit: 0, prepaid: 0 }])
})

test('two invoices of one customer at once take the credit once', async () => {
  await story.travelTo('2027-12-01T00:00:00Z')
  const first = await story.subscriber(HYBRID)
  await story.bill()
  const second = await story.subscriber(HYBRID, first.user)
  await story.bill()
  await adjust(first, -5800n - 1000n, 'plan_change_credit')
  await story.travelTo('2027-12-20T00:00:00Z')
  await end(first)
  await story.travelTo('2027-12-20T02:00:00Z')
  await story.bill()
  const third = await story.subscriber({ ...HYBRID, flatFee: 6000 }, first.user)
  await story.travelTo('2028-01-01T02:00:00Z')
  await story.bill()
  const invoices = [...(await story.invoices(second)), ...(await story.invoices(third))]
  const applied = invoices.map(({ creditApplied }) => creditApplied)
  expect(applied.reduce((sum, amount) => sum + amount, 0)).toBe(6800)
})

test('by many at once everything is invoiced once, and numbers have no gap', async () => {
  await story.travelTo('2028-02-01T00:00:00Z')
  const subscribers: Subscriber[] = []
  for (let count = 0; count < 5; count++) subscribers.push(await story.subscriber(HYBRID))
  const { invoicing, finalization, sql } = story.veil.container
  const now = story.veil.clock.now()
  const drafts = await Promise.all([1, 2, 3, 4].map(() => invoicing.generate(now)))
  await Promise.all([1, 2, 3, 4].map(() => finalization.finalizeAll(now)))
  expect(drafts.reduce((sum, { drafted }) => sum + drafted, 0)).toBeGreaterThanOrEqual(5)
  for (const subscriber of subscribers) expect(await story.invoices(subscriber)).toHaveLength(1)
  const rows = await sql`select sequence::int from invoices order by sequence`
  expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, index) => index + 1))
  const [sums] = await sql`select sum(amount)::text as sum from ledger_entries`
  expect(sums?.sum).toBe('0')
})

test('somebody else’s invoice is not there, nor is one that never was', async () => {
  const [owner, stranger] = [await story.subscriber(HYBRID), await story.subscriber(HYBRID)]
  await story.bill()
  const [invoice] = await story.invoices(owner)
  for (const id of [invoice.id, newId('inv', story.veil.clock), 'inv_1', 'x']) {
    const { token } = stranger.user
    const answer = await story.veil.request('GET', `/pricing/invoices/${id}`, { token })
    expect(answer).toMatchObject({ status: 404, body: { code: 'invoice_unknown' } })
  }
  const { token } = stranger.user
  const path = `/subscriptions/${owner.id}/invoices`
  expect((await story.veil.request('GET', path, { token })).status).toBe(404)
})

test('what was invoiced can be read off the ledger: by the customer, and by admins', async () => {
  const subscriber = await story.subscriber(HYBRID)
  await story.bill()
  const [invoice] = await story.invoices(subscriber)
  const { items } = await story.get(subscriber.user, '/payments/ledger')
  expect(items).toMatchObject([
    {
      ...{ kind: 'invoice.finalized', reference: invoice.id, currency: 'EUR' },
      entries: [{ account: 'receivable', ownerId: subscriber.user.id, amount: 2900 }],
    },
  ])
  const { token } = await story.veil.admin()
  const all = await story.veil.expectOk('GET', '/admin/ledger?limit=1', { token })
  const amounts = all.items[0].entries.map((entry: any) => [entry.account, entry.amount])
  expect(amounts).toEqual([
    ['platform_fee', -290],
    ['provider_earnings', -2610],
    ['receivable', 2900],
  ])
  const balances = await story.veil.expectOk('GET', '/admin/ledger/balances', { token })
  const sum = balances.reduce((total: number, { balance }: any) => total + balance, 0)
  expect(sum).toBe(0)
})

test('an invoice is made again from its inputs, down to the single calls; whatever was altered is found', async () => {
  await story.travelTo('2028-03-01T00:00:00Z')
  const subscriber = await story.subscriber(HYBRID)
  await story.bill()
  await story.use(subscriber, 4)
  await adjust(subscriber, -100n, 'plan_change_credit')
  await story.travelTo('2028-04-01T02:00:00Z')
  await story.bill()
  await story.use(subscriber, 2, new Date('2028-03-31T22:00:00Z'))
  await story.travelTo('2028-05-01T02:00:00Z')
  await story.bill()
  const invoices = await story.invoices(subscriber)
  expect(linesOf(invoices[1])).toEqual([
    ...[
      ['overage', 100],
      ['plan_change_credit', -100],
      ['flat_fee', 2900],
    ],
  ])
  expect(linesOf(invoices[2])).toEqual([
    ...[
      ['late_usage', 100],
      ['flat_fee', 2900],
    ],
  ])
  const verify = (index: number) =>
    story.get(subscriber.user, `/pricing/invoices/${invoices[index].id}/verify`)
  for (const index of [0, 1, 2])
    expect(await verify(index)).toMatchObject({ verdict: 'equal', differences: [] })

  const { sql } = story.veil.container
  const uuid = invoices[1].id.slice(4)
  const tamper = (change: string) =>
    sql.begin(async (tx) => {
      await tx`set local session_replication_role = replica`
      await tx.unsafe(change)
    })
  await tamper(
    `update invoices set lines = jsonb_set(lines, '{0,amount}', '1') where id = '${uuid}'`,
  )
  const altered = await verify(1)
  expect(altered.verdict).toBe('different')
  expect(altered.differences.map(({ what }: { what: string }) => what)).toEqual([
    ...[expect.stringMatching(/^lines of per_/), 'tax', 'total'],
  ])
  await tamper(
    `update invoices set lines = jsonb_set(lines, '{0,amount}', '100') where id = '${uuid}'`,
  )
  expect(await verify(1)).toMatchObject({ verdict: 'equal' })

  await tamper(`delete from usage_records where id = (select id from usage_records
    where subscription_id = '${subscriber.id.slice(4)}' limit 1)`)
  const { differences } = await verify(1)
  expect(differences).toMatchObject([{ what: /^calls of per_/, expected: '5', found: '6' }])
})
