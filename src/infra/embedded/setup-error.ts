/** Every way in which the machine can fail to give Veil what it needs to run. */
export type SetupErrorCode =
  | 'already-running'
  | 'keeps-failing'
  | 'data-folder'
  | 'address-unusable'
  | 'database-unusable'
  | 'gateway-unreachable'
  | 'first-admin'
  | 'port-taken'
  | 'postgres-unavailable'
  | 'postgres-account'
  | 'postgres-data'
  | 'postgres-port-taken'
  | 'postgres-failed'
  | 'caddy-unavailable'
  | 'caddy-wrong-binary'
  | 'caddy-too-old'
  | 'caddy-port-taken'
  | 'caddy-failed'

/** The machine lacks something: `message` says what went wrong, `mend` in one sentence what the operator can do. */
export class SetupError extends Error {
  override readonly name = 'SetupError'

  constructor(
    readonly code: SetupErrorCode,
    message: string,
    readonly mend: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
