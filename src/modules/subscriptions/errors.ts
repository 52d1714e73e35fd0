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
