import type { Claim, ClaimedEvent } from './claim'
import type { Outcome } from './decide'
import type { EventDefinition } from './event'
import { type BatchHandler, type Handler, parseEvent, withTimeout } from './handle'
import type { Slots } from './slots'

/** What is known of a type: its definition, its one handler and its limits. */
export interface Registration {
  event: EventDefinition<unknown>
  maxAttempts: number
  timeoutMs: number | undefined
  handle: { one: Handler<unknown> } | { many: BatchHandler<unknown> }
}

/** Tells how an attempt ended; null when it did not begin, because the worker stops. */
export type Report = (event: ClaimedEvent, outcome: Outcome | null) => void

export interface RoundContext {
  registration: Registration
  slots: Slots
  /** Aborted when the claim is lost. */
  signal: AbortSignal
  isStopping: () => boolean
  report: Report
}

/** Runs the handlers of a claim; each event's outcome is reported as soon as it is known. */
export async function runHandlers(claim: Claim, context: RoundContext): Promise<void> {
  const { registration } = context
  const ready: { event: ClaimedEvent; payload: unknown }[] = []
  for (const event of claim.events) {
    const parsed = parseEvent(event, registration.event, registration.maxAttempts)
    if ('outcome' in parsed) context.report(event, parsed.outcome)
    else ready.push({ event, payload: parsed.payload })
  }
  const { handle } = registration
  if ('one' in handle) await Promise.all(ready.map((each) => runOne(each, handle.one, context)))
  else await Promise.all(batchesOf(ready).map((batch) => runMany(batch, handle.many, context)))
}

interface Ready {
  event: ClaimedEvent
  payload: unknown
}

async function runOne(
  { event, payload }: Ready,
  handler: Handler<unknown>,
  { registration, slots, signal, isStopping, report }: RoundContext,
): Promise<void> {
  const turn = slots.take()
  if (turn) await turn
  try {
    if (isStopping()) return report(event, null)
    await withTimeout(registration.timeoutMs, signal, (own) =>
      handler(payload, { event, signal: own }),
    )
    report(event, { ok: true })
  } catch (error) {
    report(event, { ok: false, error })
  } finally {
    slots.give()
  }
}

/** One that is tried again runs by itself: if it made its batch fail, it does so no more. */
function batchesOf(ready: readonly Ready[]): Ready[][] {
  const fresh = ready.filter(({ event }) => event.attempts === 1)
  const again = ready.filter(({ event }) => event.attempts > 1).map((each) => [each])
  return fresh.length === 0 ? again : [fresh, ...again]
}

async function runMany(
  batch: readonly Ready[],
  handler: BatchHandler<unknown>,
  { registration, slots, signal, isStopping, report }: RoundContext,
): Promise<void> {
  const reportAll = (outcomeOf: (index: number) => Outcome | null) => {
    for (const [index, { event }] of batch.entries()) report(event, outcomeOf(index))
  }
  const turn = slots.take()
  if (turn) await turn
  try {
    if (isStopping()) return reportAll(() => null)
    const outcomes = await withTimeout(
      registration.timeoutMs,
      signal,
      async (own) => (await handler(batch.map(toBatchedEvent), { signal: own })) ?? undefined,
    )
    reportAll((index) => outcomeAt(outcomes, index))
  } catch (error) {
    reportAll(() => ({ ok: false, error }))
  } finally {
    slots.give()
  }
}

const toBatchedEvent = ({ event: { id, attempts }, payload }: Ready) => ({ id, attempts, payload })

function outcomeAt(outcomes: Outcome[] | undefined, index: number): Outcome {
  if (!outcomes) return { ok: true }
  return (
    outcomes[index] ?? { ok: false, error: new Error('the handler told no outcome of this event') }
  )
}
