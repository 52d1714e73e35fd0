import type { Db } from '#db/client'
import type { Decision } from './decide'
import { buryEvents, type ClaimedEvent, completeEvents, retryEvents } from './store'

export interface Verdict {
  event: ClaimedEvent
  decision: Decision
}

/** What became of the events of a round. */
export interface Settlement {
  done: number
  retried: number
  dead: number
  /** Taken over by another worker meanwhile: what we did about them changed nothing. */
  lost: number
}

/** Writes the decisions about a batch, one statement per kind, fenced by the claim token. */
export async function settle(
  db: Db,
  token: string,
  verdicts: readonly Verdict[],
): Promise<Settlement> {
  const done: string[] = []
  const retries: { id: string; inMs: number; message: string }[] = []
  const deaths: { id: string; reason: string; message: string }[] = []
  for (const { event, decision } of verdicts) {
    if (decision.kind === 'done') done.push(event.id)
    else if (decision.kind === 'retry') retries.push({ id: event.id, ...decision })
    else deaths.push({ id: event.id, ...decision })
  }
  const counts = {
    done: await completeEvents(db, token, done),
    retried: await retryEvents(db, token, retries),
    dead: await buryEvents(db, token, deaths),
  }
  return { ...counts, lost: verdicts.length - counts.done - counts.retried - counts.dead }
}
