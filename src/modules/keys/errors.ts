import type { KeyStatus } from '#db/schema/keys'
import { AppError, type FieldError } from '#lib/errors'

export class KeyUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'key_unknown'
  constructor(id: string) {
    super(`You have no key ${id}.`)
  }
}

export class WrongKeyStatus extends AppError {
  readonly kind = 'conflict'
  readonly code = 'wrong_key_status'
  constructor(id: string, status: KeyStatus, needed: readonly KeyStatus[]) {
    super(`The key ${id} is ${status}; this needs one that is ${needed.join(' or ')}.`)
  }
}

export class KeyLimitsInvalid extends AppError {
  readonly kind = 'invalid'
  readonly code = 'key_limits_invalid'
  constructor(errors: FieldError[]) {
    super('These limits cannot be put on a key; see `errors`.', { errors })
  }
}
