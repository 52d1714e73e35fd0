import { AppError } from '#lib/errors'

export class KeyUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'key_unknown'
  constructor(id: string) {
    super(`You have no key ${id}.`)
  }
}
