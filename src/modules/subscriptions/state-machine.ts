import type { SubscriptionStatus } from '#db/schema/subscriptions'

/** What people can ask for; drawn in docs/subscriptions.md. */
const ASKED = ['change_plan', 'pause', 'resume', 'cancel'] as const
/** What time and debts do: a trial converts, an invoice is overdue, is paid, … */
const HAPPENS = ['convert', 'fall_behind', 'suspend', 'reinstate', 'expire'] as const

export const ACTIONS = [...ASKED, ...HAPPENS] as const
export type Action = (typeof ACTIONS)[number]

const TABLE: Record<SubscriptionStatus, Partial<Record<Action, SubscriptionStatus>>> = {
  trialing: {
    change_plan: 'trialing',
    cancel: 'cancelled',
    convert: 'active',
    suspend: 'suspended',
  },
  active: {
    change_plan: 'active',
    pause: 'paused',
    cancel: 'cancelled',
    fall_behind: 'past_due',
    suspend: 'suspended',
  },
  past_due: {
    change_plan: 'past_due',
    cancel: 'cancelled',
    suspend: 'suspended',
    reinstate: 'active',
  },
  paused: { resume: 'active', cancel: 'cancelled' },
  // After its trial it is resumed, once there is a payment method; after a debt it is reinstated.
  suspended: { resume: 'active', cancel: 'cancelled', reinstate: 'active', expire: 'expired' },
  cancelled: {},
  expired: {},
}

/** The status after the action, or `illegal`. */
export function transition(
  status: SubscriptionStatus,
  action: Action,
): SubscriptionStatus | 'illegal' {
  return TABLE[status][action] ?? 'illegal'
}

/** What may be asked for in a status. */
export const possible = (status: SubscriptionStatus): Action[] =>
  ASKED.filter((action) => transition(status, action) !== 'illegal')
