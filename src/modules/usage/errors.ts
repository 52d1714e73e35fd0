import { AppError } from '#lib/errors'

export class UsageSubscriptionUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'subscription_unknown'
  constructor(id: string) {
    super(`You have no subscription ${id}.`)
  }
}

export class UsageRangeInvalid extends AppError {
  readonly kind = 'invalid'
  readonly code = 'usage_range_invalid'
  constructor(longestDays: number) {
    super(`\`from\` must be before \`to\`, at most ${longestDays} days for this interval.`, {
      errors: [
        { in: 'query', pointer: '/from', message: 'is not before `to`, or too long before' },
      ],
    })
  }
}
