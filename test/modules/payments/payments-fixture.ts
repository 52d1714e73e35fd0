import { systemClock } from '#infra/clock'
import type { Clock } from '#lib/clock'
import { FakeStripe } from '#test/stripe/index'
import { eventually, type TestUser, TestVeil } from '#test/veil'

/** Veil with Stripe's stand-in, whose events it gets. */
export async function startWithStripe(): Promise<{ veil: TestVeil; stripe: FakeStripe }> {
  let clock: Clock = systemClock
  const stripe = await FakeStripe.start({ now: () => clock.now() })
  const veil = await TestVeil.start(stripe.environment)
  clock = veil.clock
  stripe.deliverTo(veil.url)
  return { veil, stripe }
}

/** Gives a consumer a card, as Stripe.js would. @returns our view of it */
export async function addCard(
  { veil, stripe }: { veil: TestVeil; stripe: FakeStripe },
  { token }: TestUser,
  card = 'pm_card_visa',
): Promise<any> {
  const before = (await veil.expectOk('GET', '/payments/methods', { token })).items
  const { setupIntentId } = await veil.expectOk('POST', '/payments/methods/setup', { token })
  stripe.confirmSetup(setupIntentId, card)
  const { items } = await eventually(
    () => veil.expectOk('GET', '/payments/methods', { token }),
    ({ items }) => items.length > before.length,
  )
  return items[0]
}
