/** The steps of the two-phase commit at which a process may be made to die, in their order. */
export const FAILPOINTS = [
  'commit.before-intent',
  'commit.after-intent',
  'push.before-write',
  'push.sent',
  'push.answered',
  'push.read-back',
  'commit.before-outcome',
  'commit.after-outcome',
] as const

/** Those of whatever else may die between two things that must not come apart. */
export const OTHER_FAILPOINTS = [
  'invoice.before-commit',
  'payment.recorded',
  'payment.intended',
  'payment.intent-saved',
  'payment.charged',
  'payment.settled',
  'refund.recorded',
  'refund.sent',
  'refund.settled',
] as const
export type Failpoint = (typeof FAILPOINTS)[number] | (typeof OTHER_FAILPOINTS)[number]

/** Told of every step that is reached; the step goes on when it returns. */
export type AtFailpoint = (point: Failpoint) => Promise<void> | void

/** Kills this process, as nothing can prepare for, when it reaches `point`; null for never. */
export const dieAt =
  (point: Failpoint | null): AtFailpoint =>
  (reached) => {
    if (reached === point) process.kill(process.pid, 'SIGKILL')
  }
