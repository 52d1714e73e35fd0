import { AppError } from '#lib/errors'

export class EmailTaken extends AppError {
  readonly kind = 'conflict'
  readonly code = 'email_taken'
  constructor() {
    super('There is an account with this email; log in, or register with another one.', {
      errors: [{ in: 'body', pointer: '/email', message: 'is taken' }],
    })
  }
}

/** One answer for an unknown email and a wrong password: it does not say which of them it was. */
export class LoginRefused extends AppError {
  readonly kind = 'unauthenticated'
  readonly code = 'login_refused'
  constructor() {
    super('Email and password do not belong together.')
  }
}

export class LoginLocked extends AppError {
  readonly kind = 'too_many_requests'
  readonly code = 'login_locked'
  /** @param seconds until the account takes logins again */
  constructor(seconds: number) {
    super(`Too many failed logins in a row; try again in ${seconds} seconds.`, {
      retryAfter: seconds,
    })
  }
}

export class AccountNotActive extends AppError {
  readonly kind = 'forbidden'
  readonly code = 'account_not_active'
  constructor(status: 'suspended' | 'closed') {
    super(`This account is ${status}; ask the operator of this marketplace.`)
  }
}

export class RefreshTokenInvalid extends AppError {
  readonly kind = 'unauthenticated'
  readonly code = 'refresh_token_invalid'
  constructor() {
    super('The refresh token is unknown, or its session has ended; log in again.')
  }
}

export class RefreshTokenReused extends AppError {
  readonly kind = 'unauthenticated'
  readonly code = 'refresh_token_reused'
  constructor() {
    super('This refresh token was used before, so its session has been revoked; log in again.')
  }
}

export class SessionNotFound extends AppError {
  readonly kind = 'not_found'
  readonly code = 'session_not_found'
  constructor(sessionId: string) {
    super(`You have no session ${sessionId}; GET /auth/sessions lists yours.`)
  }
}

/** Stops the start: going on would leave an installation that nobody can administer. */
export class FirstAdminEmailTaken extends AppError {
  readonly kind = 'conflict'
  readonly code = 'first_admin_email_taken'
  constructor() {
    super(
      'There is no admin yet, and ADMIN_EMAIL belongs to an account without that role: set another.',
    )
  }
}
