import { AppError } from '#lib/errors'

/** Long enough for a worker to book a million calls. */
const RETRY_AFTER_SECONDS = 30

export class UsageBacklogFull extends AppError {
  readonly kind = 'too_many_requests'
  readonly code = 'usage_backlog_full'
  constructor(limit: number) {
    super(`More than ${limit} calls wait to be counted: send this batch again later.`, {
      retryAfter: RETRY_AFTER_SECONDS,
    })
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
