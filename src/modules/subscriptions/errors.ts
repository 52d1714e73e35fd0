import { AppError } from '#lib/errors'

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
