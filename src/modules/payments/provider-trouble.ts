import Stripe from 'stripe'

/**
 * Stripe gave no answer that says what became of a request: it may have been done or not. What Stripe's
 * own error holds (cards, headers) goes no further than this.
 */
export class ProviderUnclear extends Error {
  constructor(what: string) {
    super(`no clear answer of Stripe: ${what}`)
    this.name = 'ProviderUnclear'
  }
}

/** Stripe will not do it, however often it is asked; nothing was done. */
export class ProviderRefused extends Error {
  constructor(
    /** Stripe's code, such as `resource_missing`. */
    readonly code: string,
    readonly status: number,
  ) {
    super(`Stripe refuses with ${status} ${code}`)
    this.name = 'ProviderRefused'
  }
}

/** A wrong key of ours, a lock, a limit: asked again later it may be done. */
const PASSING = new Set([401, 403, 409, 429])

/** Runs a request of Stripe's library. @throws ProviderUnclear, ProviderRefused */
export async function asked<T>(request: Promise<T>): Promise<T> {
  try {
    return await request
  } catch (error) {
    throw troubleOf(error)
  }
}

function troubleOf(error: unknown): unknown {
  if (!(error instanceof Stripe.errors.StripeError)) return error
  const { statusCode: status, code = error.type } = error
  if (status === undefined || status >= 500 || PASSING.has(status))
    return new ProviderUnclear(`${status ?? 'none'} ${code}`)
  return new ProviderRefused(code, status)
}
