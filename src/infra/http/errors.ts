import { AppError, type FieldError } from '#lib/errors'

export class InvalidInput extends AppError {
  readonly kind = 'invalid'
  readonly code = 'invalid_input'
  constructor(errors: FieldError[]) {
    const places = errors.map((error) => `${error.in}${error.pointer}`).join(', ')
    super(`The request does not have the shape this route asks for: see ${places}.`, { errors })
  }
}

export class MalformedBody extends AppError {
  readonly kind = 'malformed'
  readonly code = 'malformed_body'
  constructor() {
    super('The body cannot be read: send well-formed JSON with Content-Type: application/json.')
  }
}

export class BodyTooLarge extends AppError {
  readonly kind = 'too_large'
  readonly code = 'body_too_large'
  /** @param limit bytes */
  constructor(limit: number) {
    super(`The body may have at most ${limit} bytes.`)
  }
}

export class EncodingUnknown extends AppError {
  readonly kind = 'unsupported'
  readonly code = 'encoding_unknown'
  constructor() {
    super('Send the body plain or with Content-Encoding: gzip.')
  }
}

export class NotAuthenticated extends AppError {
  readonly kind = 'unauthenticated'
  readonly code: string
  constructor(reason: 'token_missing' | 'token_invalid' | 'token_expired') {
    super(
      {
        token_missing: 'Send an access token: Authorization: Bearer <token> from POST /auth/login.',
        token_invalid: 'The access token is not valid; get a new one from POST /auth/login.',
        token_expired: 'The access token has expired; get a new one from POST /auth/refresh.',
      }[reason],
    )
    this.code = reason
  }
}

export class PermissionMissing extends AppError {
  readonly kind = 'forbidden'
  readonly code = 'permission_missing'
  constructor(permission: string) {
    super(`This needs the permission ${permission}, which none of your roles has.`)
  }
}

export class RouteUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'route_unknown'
  constructor() {
    super('There is no such route; GET /swagger lists them all.')
  }
}

export class VersionMissing extends AppError {
  readonly kind = 'precondition_required'
  readonly code = 'version_missing'
  constructor() {
    super('Send If-Match with the ETag (version) that you have read, so that no edit is lost.')
  }
}

export class IdempotencyKeyMalformed extends AppError {
  readonly kind = 'malformed'
  readonly code = 'idempotency_key_malformed'
  constructor() {
    super('Idempotency-Key must be 1 to 255 printable ASCII characters, such as a UUID.')
  }
}

export class IdempotencyKeyReused extends AppError {
  readonly kind = 'unprocessable'
  readonly code = 'idempotency_key_reused'
  constructor() {
    super('This Idempotency-Key came with another request before; use a new key for a new request.')
  }
}

export class IdempotencyKeyInUse extends AppError {
  readonly kind = 'conflict'
  readonly code = 'idempotency_key_in_use'
  constructor() {
    super('The first request with this Idempotency-Key is still running; ask again shortly.', {
      retryAfter: 1,
    })
  }
}
