import type { Db } from '#db/client'
import type { Id } from '#lib/id'
import type { Plan } from '#modules/pricing'
import { PaymentMethodMissing } from './errors'

/** What subscriptions need of payments, which are built on them. */
export interface SubscriptionPayments {
  /** There is a card to charge, or payments are made without one. */
  canPay(db: Db, userId: Id<'usr'>): Promise<boolean>
}

/** Nothing is owed before something is used. */
export const isFree = ({ type }: Pick<Plan, 'type'>): boolean =>
  type === 'free' || type === 'freemium'

/** @throws PaymentMethodMissing unless the user can pay for the plan */
export async function requireMethod(
  tx: Db,
  payments: SubscriptionPayments,
  userId: Id<'usr'>,
  plan: Plan,
): Promise<void> {
  if (!isFree(plan) && !(await payments.canPay(tx, userId)))
    throw new PaymentMethodMissing(plan.slug)
}
