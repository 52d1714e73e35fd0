import { AppError } from '#lib/errors'

export class EventUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'event_unknown'
  constructor(id: string) {
    super(`There is no event ${id}: it is done, or never was. What died is among the dead letters.`)
  }
}

export class EventRunning extends AppError {
  readonly kind = 'conflict'
  readonly code = 'event_running'
  constructor(id: string) {
    super(
      `The event ${id} is being handled at this moment; only one that waits can be cancelled.`,
      {
        retryAfter: 5,
      },
    )
  }
}

export class DeadLetterUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'dead_letter_unknown'
  constructor(id: string) {
    super(`There is no dead letter ${id}; it may have been retried already.`)
  }
}

export class DeadLetterKept extends AppError {
  readonly kind = 'conflict'
  readonly code = 'dead_letter_kept'
  constructor(id: string) {
    super(`${id} stays: another event with its dedupe key waits or runs. Try again after that one.`)
  }
}

export class RetryWithoutFilter extends AppError {
  readonly kind = 'invalid'
  readonly code = 'retry_without_filter'
  constructor() {
    super('Say which dead letters: a `type`, a time (`from`, `to`), or both.', {
      errors: [{ in: 'body', pointer: '', message: 'names neither a type nor a time' }],
    })
  }
}

export class SandboxOff extends AppError {
  readonly kind = 'conflict'
  readonly code = 'sandbox_off'
  constructor() {
    super(
      'This Veil is no sandbox, so its clock is that of the machine. Start it with VEIL_SANDBOX=true.',
    )
  }
}

export class ClockBackwards extends AppError {
  readonly kind = 'conflict'
  readonly code = 'clock_backwards'
  constructor(now: Date) {
    super(`The clock goes forward only; it shows ${now.toISOString()}.`)
  }
}
