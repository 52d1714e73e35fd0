import type { KeyScope } from '#db/schema/keys'
import { parseAddressRange } from '#lib/address-range'
import type { FieldError } from '#lib/errors'
import { parseOperationPattern } from '#lib/operation-pattern'
import { KeyLimitsInvalid } from './errors'
import type { KeyLimitsInput } from './schemas'

/** What its owner has limited a key to, as it is stored. */
export interface KeyLimits {
  expiresAt: Date | null
  scope: KeyScope | null
  rotateAfterDays: number | null
}

export const NO_LIMITS: KeyLimits = { expiresAt: null, scope: null, rotateAfterDays: null }

/** @throws KeyLimitsInvalid for an expiry that has passed, and for what is no operation or no address */
export function limitsOf(input: Partial<KeyLimitsInput>, now: Date): KeyLimits {
  const { operations = [], addresses = [], rotateAfterDays = null } = input
  const expiresAt = input.expiresAt ? new Date(input.expiresAt) : null
  const errors = [
    ...faults('operations', operations, parseOperationPattern, 'is not METHOD /path'),
    ...faults('addresses', addresses, parseAddressRange, 'is not an address or a CIDR range'),
    ...(expiresAt && !(expiresAt > now) ? [fault('/expiresAt', 'is not in the future')] : []),
  ]
  if (errors.length > 0) throw new KeyLimitsInvalid(errors)
  const scope = operations.length + addresses.length > 0 ? { operations, addresses } : null
  return { expiresAt, scope, rotateAfterDays }
}

function faults(
  field: string,
  values: string[],
  parse: (text: string) => unknown,
  message: string,
): FieldError[] {
  return values.flatMap((value, index) =>
    parse(value) === null ? [fault(`/${field}/${index}`, message)] : [],
  )
}

const fault = (pointer: string, message: string): FieldError => ({ in: 'body', pointer, message })
