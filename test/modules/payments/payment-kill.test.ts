import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Failpoint } from '#lib/failpoint'
import type { FakeStripe } from '#test/stripe/index'
import type { TestUser, TestVeil } from '#test/veil'
import {
  balances,
  invoiceRow,
  type Owed,
  owe,
  paymentsOf,
  startWithStripe,
} from './payments-fixture'

/** The process that collects is killed at every step; what is left is taken up by another one. */
let veil: TestVeil
let stripe: FakeStripe
let consumer: TestUser

beforeAll(async () => {
  ;({ veil, stripe } = await startWithStripe())
})
afterAll(async () => {
  await stripe.stop()
  await veil.stop()
})
beforeEach(async () => {
  consumer = await veil.user('consumer')
  stripe.faults.clear()
})

/** A process of its own that collects. @returns what it says, and whether it was killed */
async function collectElsewhere(
  { id: invoiceId }: Owed,
  failpoint?: Failpoint,
): Promise<{ said: string; isKilled: boolean }> {
  const plan = { databaseUrl: veil.database.url, invoiceId }
  const child = Bun.spawn(
    [process.execPath, `${import.meta.dirname}/payment-process.ts`, JSON.stringify(plan)],
    {
      env: {
        ...{ PATH: process.env.PATH, NODE_ENV: 'test', ...stripe.environment },
        ...(failpoint && { FAILPOINT: failpoint }),
      },
      stdout: 'pipe',
      stderr: 'inherit',
    },
  )
  const said = await new Response(child.stdout).text()
  await child.exited
  return { said, isKilled: child.signalCode === 'SIGKILL' }
}

/** An invoice that nobody collects but the processes of this test. */
async function oweInSilence(): Promise<Owed> {
  const invoice = await owe(veil, consumer, { isCollected: false })
  const { setupIntentId } = await veil.expectOk('POST', '/payments/methods/setup', {
    token: consumer.token,
  })
  stripe.confirmSetup(setupIntentId, 'pm_card_visa')
  await stripe.events.settle()
  const [customer] = await veil.database.sql`
    select external_id from payment_customers where user_id = ${consumer.id.slice(4)}`
  await veil.container.paymentMethods.sync(customer!.external_id)
  stripe.events.isHolding = true
  return invoice
}

const POINTS = [
  'payment.recorded',
  'payment.intended',
  'payment.intent-saved',
  'payment.charged',
  'payment.settled',
] as const satisfies Failpoint[]

test.each(POINTS)('killed at %s, it is charged and booked exactly once', async (point) => {
  const invoice = await oweInSilence()
  const cash = (await balances(veil, 'cash')).EUR ?? 0
  expect(await collectElsewhere(invoice, point)).toEqual({ said: '', isKilled: true })
  expect((await collectElsewhere(invoice)).isKilled).toBe(false)
  veil.clock.advance(120_000)
  await veil.container.collection!.resume(veil.clock.now())
  const mine = stripe.charges().filter(({ metadata }) => metadata.invoice_id === invoice.id)
  expect(mine).toHaveLength(1)
  expect(await invoiceRow(veil, invoice)).toMatchObject({ status: 'paid', paid: 11_900, due: 0 })
  expect((await balances(veil, 'cash')).EUR).toBe(cash + 11_900)
  const payments = await paymentsOf(veil, consumer, invoice)
  expect(payments).toMatchObject([{ status: 'succeeded', attempt: 1 }])
})

test.each([
  ['before Stripe does it', 'before'],
  ['when Stripe has done it', 'after'],
] as const)('killed while it waits for the answer, %s', async (_, kind) => {
  const invoice = await oweInSilence()
  let child: Bun.Subprocess | undefined
  stripe.faults.inject('POST /v1/payment_intents/*/confirm', {
    kind,
    run: async () => {
      child?.kill('SIGKILL')
      await child?.exited
    },
  })
  const plan = { databaseUrl: veil.database.url, invoiceId: invoice.id }
  child = Bun.spawn(
    [process.execPath, `${import.meta.dirname}/payment-process.ts`, JSON.stringify(plan)],
    { env: { PATH: process.env.PATH, NODE_ENV: 'test', ...stripe.environment } },
  )
  await child.exited
  expect(child.signalCode).toBe('SIGKILL')
  expect((await collectElsewhere(invoice)).said).toBe('succeeded')
  const mine = stripe.charges().filter(({ metadata }) => metadata.invoice_id === invoice.id)
  expect(mine).toHaveLength(1)
  expect(await invoiceRow(veil, invoice)).toMatchObject({ status: 'paid', paid: 11_900 })
})

test('two processes at once charge once', async () => {
  const invoice = await oweInSilence()
  await Promise.all([collectElsewhere(invoice), collectElsewhere(invoice)])
  await veil.container.collection!.resume(veil.clock.now())
  const mine = stripe.charges().filter(({ metadata }) => metadata.invoice_id === invoice.id)
  expect(mine).toHaveLength(1)
})
