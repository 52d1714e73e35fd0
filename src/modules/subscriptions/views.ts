import type { listHistory, Subscription } from './repository'

export function view({ id, api, plan, status, period, createdAt, ...of }: Subscription) {
  return {
    ...{ id, api, plan, status, scheduled: scheduledOf(of) },
    currentPeriod: { start: period.start.toISOString(), end: period.end.toISOString() },
    trialEndsAt: of.trialEndsAt?.toISOString() ?? null,
    endedAt: of.endedAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
  }
}

type Scheduled = Pick<
  Subscription,
  'cancelAt' | 'scheduledPlanId' | 'scheduledPlanAt' | 'scheduledPlanKind'
>

function scheduledOf({ cancelAt, scheduledPlanId, scheduledPlanAt, scheduledPlanKind }: Scheduled) {
  if (cancelAt !== null)
    return { kind: 'cancellation' as const, at: cancelAt.toISOString(), planId: null }
  if (scheduledPlanAt === null || scheduledPlanKind === null) return null
  return { kind: scheduledPlanKind, at: scheduledPlanAt.toISOString(), planId: scheduledPlanId }
}

type Entry = Awaited<ReturnType<typeof listHistory>>[number]

export const historyView = ({ effectiveAt, createdAt, ...entry }: Entry) => ({
  ...entry,
  effectiveAt: effectiveAt.toISOString(),
  createdAt: createdAt.toISOString(),
})
