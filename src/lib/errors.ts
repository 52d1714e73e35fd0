/** What went wrong in the terms of the caller; the HTTP layer turns it into a status. */
export type ErrorKind =
  | 'invalid'
  | 'malformed'
  | 'unauthenticated'
  | 'payment_required'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'precondition_failed'
  | 'precondition_required'
  | 'too_large'
  | 'unsupported'
  | 'unprocessable'
  | 'too_many_requests'
  | 'bad_gateway'
  | 'unavailable'

/** One mistake in the input; `pointer` is a JSON pointer (RFC 6901) into the part named by `in`. */
export interface FieldError {
  in: 'body' | 'query' | 'path' | 'header'
  pointer: string
  message: string
}

export interface ErrorOptions {
  /** Seconds after which trying again makes sense. */
  retryAfter?: number
  errors?: FieldError[]
  cause?: unknown
}

/**
 * An error a caller can act on. `code` is stable and for programs, `message` is for people and says
 * how to mend it, `kind` is for HTTP. Subclasses take ids, never ready-made text.
 */
export abstract class AppError extends Error {
  abstract readonly kind: ErrorKind
  /** Stable `snake_case` code; clients may switch over it. */
  abstract readonly code: string
  readonly retryAfter: number | undefined
  readonly errors: FieldError[]

  constructor(message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.retryAfter = options.retryAfter
    this.errors = options.errors ?? []
  }
}

/** Narrow a value that cannot be anything else; a lie of the types ends here, loudly. */
export function invariant<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`invariant broken: ${what}`)
  return value
}
