import type { SubscriptionStatus } from '#db/schema/subscriptions'
import { AppError } from '#lib/errors'
import { type Action, possible } from './state-machine'

export class SubscriptionUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'subscription_unknown'
  constructor(id: string) {
    super(`You have no subscription ${id}.`)
  }
}

export class AlreadySubscribed extends AppError {
  readonly kind = 'conflict'
  readonly code = 'already_subscribed'
  constructor(apiSlug: string) {
    super(`You have a live subscription to ${apiSlug} already; GET /subscriptions lists it.`)
  }
}

export class ApiWithdrawn extends AppError {
  readonly kind = 'conflict'
  readonly code = 'api_withdrawn'
  constructor(apiSlug: string) {
    super(`${apiSlug} was taken off the marketplace a moment ago.`)
  }
}

export class IllegalTransition extends AppError {
  readonly kind = 'conflict'
  readonly code = 'illegal_transition'
  constructor(id: string, status: SubscriptionStatus, action: Action) {
    const instead = possible(status).map(inWords)
    super(
      `${id} is ${inWords(status)}, so ${inWords(action)} is not possible. ` +
        (instead.length > 0
          ? `Possible: ${instead.join(', ')}.`
          : 'It has ended: subscribe again.'),
    )
  }
}

/** It has ended, so that nothing can be added to it. */
export class SubscriptionOver extends AppError {
  readonly kind = 'conflict'
  readonly code = 'subscription_over'
  constructor(id: string) {
    super(`${id} has ended: subscribe again.`)
  }
}

const inWords = (name: string): string => name.replaceAll('_', ' ')

export class SamePlan extends AppError {
  readonly kind = 'conflict'
  readonly code = 'same_plan'
  constructor(planId: string) {
    super(`It is on ${planId} already.`)
  }
}

export class PlanCurrencyDiffers extends AppError {
  readonly kind = 'conflict'
  readonly code = 'plan_currency_differs'
  constructor(planId: string, currency: string) {
    super(`${planId} is not priced in ${currency}: cancel, and subscribe to it anew.`)
  }
}

export class ChangeScheduled extends AppError {
  readonly kind = 'conflict'
  readonly code = 'change_scheduled'
  constructor(id: string, at: Date) {
    super(
      `Something is scheduled for ${at.toISOString()} already: ` +
        `withdraw it with POST /subscriptions/${id}/cancel-scheduled-change first.`,
    )
  }
}

export class NothingScheduled extends AppError {
  readonly kind = 'conflict'
  readonly code = 'nothing_scheduled'
  constructor(id: string) {
    super(`Nothing is scheduled for ${id} that you could withdraw.`)
  }
}

export class WrongDirection extends AppError {
  readonly kind = 'conflict'
  readonly code = 'wrong_direction'
  constructor(planId: string, kind: 'upgrade' | 'downgrade') {
    super(`By the flat fee of a year, ${planId} is ${kind === 'upgrade' ? 'an' : 'a'} ${kind}.`)
  }
}

/** Of what its plan offers, a consumer may choose what is no cheaper. */
export class ProrationModeRefused extends AppError {
  readonly kind = 'conflict'
  readonly code = 'proration_mode_refused'
  constructor(mode: string, offered: string) {
    super(`The plan prorates by ${offered}, and ${mode} would cost less now: leave it out.`)
  }
}

export class PaymentMethodMissing extends AppError {
  readonly kind = 'conflict'
  readonly code = 'payment_method_missing'
  constructor(planSlug: string) {
    super(`The plan ${planSlug} needs a payment method: POST /payments/methods/setup adds one.`)
  }
}

export class PeriodEnding extends AppError {
  readonly kind = 'conflict'
  readonly code = 'period_ending'
  constructor(id: string) {
    super(`The period of ${id} ends this very moment: try again.`, { retryAfter: 1 })
  }
}

export class DebtFirst extends AppError {
  readonly kind = 'conflict'
  readonly code = 'debt_first'
  constructor(id: string) {
    super(`${id} is suspended for unpaid invoices: it goes on by itself when they are paid.`)
  }
}
