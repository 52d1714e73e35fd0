import { AppError } from '#lib/errors'

/** The gateways do not serve what the database says. */
export abstract class GatewayFailure extends AppError {
  readonly kind = 'unavailable'
}

/** The gateway is away, or what it did could not be learned in time; the change was undone. */
export class GatewayUnavailable extends GatewayFailure {
  readonly code = 'gateway_unavailable'
  constructor(
    adminUrl: string,
    reason: string,
    /** It could not even be read. */
    readonly isDown = false,
  ) {
    super(
      'The gateway did not take the change, so nothing was changed. Send the same request again, ' +
        'with the same Idempotency-Key if it had one.',
      { retryAfter: 2, cause: new Error(`${adminUrl}: ${reason}`) },
    )
  }
}

/** The gateway looked at the configuration and said no; the old one keeps serving. */
export class GatewayRefused extends GatewayFailure {
  readonly code = 'gateway_refused'
  constructor(adminUrl: string, reason: string) {
    super(
      'The gateway refused the change, so nothing was changed and what was published keeps serving.',
      { retryAfter: 5, cause: new Error(`${adminUrl}: ${reason}`) },
    )
  }
}

export class ChangeInProgress extends AppError {
  readonly kind = 'conflict'
  readonly code = 'change_in_progress'
  constructor(subjectId: string) {
    super(`Another change of ${subjectId} is on its way to the gateway; try again in a moment.`, {
      retryAfter: 1,
    })
  }
}

export class GatewayUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'gateway_unknown'
  constructor(id: string) {
    super(`There is no gateway ${id}; GET /admin/gateways lists them.`)
  }
}
