/** The only source of time. Injected everywhere, so that tests and the sandbox can move it. */
export interface Clock {
  /** The present instant (UTC). */
  now(): Date
}
