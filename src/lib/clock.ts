/** The only source of time. Injected everywhere, so that tests and the sandbox can move it. */
export interface Clock {
  /** The present instant (UTC). */
  now(): Date
  /**
   * What this clock showed when the machine's showed `machine`. Only where the two differ: gateways
   * tell the time of a call by their own machine's clock.
   */
  shownAt?(machine: Date): Date
}
