import { afterAll, beforeAll, expect, test } from 'vitest'
import { Calendar, linesOf, type Subscriber } from './calendar'

let story: Calendar
let subscriber: Subscriber

beforeAll(async () => {
  story = await Calendar.start('2027-01-01T10:00:00Z')
  await story.travelTo('2027-01-01T10:00:00Z')
  const { veil } = story
  subscriber = await story.subscriber({
    ...{ type: 'flat', flatFee: 2900 },
    quota: { limit: 2, hard: false, overageRate: '50' },
  })
  const { token } = await veil.admin()
  const twenty = { code: 'TWENTY', type: 'percentage', value: '20', cycles: 1 }
  await veil.expectOk('POST', '/admin/promotions', { token, body: twenty })
  await story.bill()
  await veil.expectOk('POST', '/pricing/promotions/apply', {
    token: subscriber.user.token,
    body: { code: 'TWENTY', subscriptionId: subscriber.id },
  })
})
afterAll(() => story.stop())

const runningCost = async () =>
  (await story.get(subscriber.user, `/subscriptions/${subscriber.id}/usage`)).cost.total
/** Code and amount of the lines of the newest invoice. */
const newest = async () => {
  const invoices = await story.invoices(subscriber)
  return linesOf(invoices.at(-1))
}

test('a promotion for one cycle: not on the period that runs, on the next one, not after it', async () => {
  await story.use(subscriber, 6)
  expect(await runningCost()).toBe(2900 + 200)

  await story.travelTo('2027-02-01T11:01:00Z')
  await story.bill()
  expect(await newest()).toEqual([
    ['overage', 200],
    ['flat_fee', 2900],
    ['percentage', -580],
  ])
  await story.use(subscriber, 5)
  expect(await runningCost()).toBe(2320 + 120)

  await story.travelTo('2027-03-01T11:01:00Z')
  await story.bill()
  expect(await newest()).toEqual([
    ['overage', 150],
    ['percentage', -30],
    ['flat_fee', 2900],
  ])
  expect(await runningCost()).toBe(2900)
})
