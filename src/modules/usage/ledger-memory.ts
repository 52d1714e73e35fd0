import type { Db } from '#db/client'
import type { UsageEvent } from './events'
import { loadKeys, periodsVersion } from './facts-repository'
import { selectOperations } from './ledger-repository'
import { type KeyFacts, type Resolution, resolveEvents } from './resolve-events'
import { nameOperations, type OperationSums } from './tally'

/** Beyond these everything is forgotten and learnt again: about 30 MB. */
const MOST_KEYS = 50_000
const MOST_HOURS = 2_000
/** Operations that are told apart within an API and an hour. */
const MOST_OPERATIONS = 100

/**
 * What the recorder knows from one batch to the next. A key's subscription and API never change; its
 * periods only together with a version, which is read in every transaction.
 */
export class LedgerMemory {
  private version = ''
  private keys = new Map<string, KeyFacts>()
  private readonly operations = new Map<string, Set<string>>()

  /** To be called first in a transaction. */
  async refresh(tx: Db): Promise<void> {
    const version = await periodsVersion(tx)
    if (version === this.version && this.keys.size < MOST_KEYS) return
    this.version = version
    // A new map: what an older transaction still brings in must not be taken for news.
    this.keys = new Map()
  }

  /** Resolves calls by what is known, and looks up what that does not answer. */
  async resolve(tx: Db, events: readonly UsageEvent[]): Promise<Resolution> {
    const { keys } = this
    const known = resolveEvents(events, keys)
    const open = [...known.early, ...known.refused.map(({ event }) => event)]
    if (open.length === 0) return known
    const loaded = await loadKeys(tx, [...new Set(open.map(({ keyId }) => keyId))])
    for (const [id, facts] of loaded) keys.set(id, facts)
    const { bookings, refused, early } = resolveEvents(open, loaded)
    return { bookings: [...known.bookings, ...bookings], refused, early }
  }

  /**
   * Names operations up to the limit. Workers that meet new ones of the same API at the same moment do
   * not see each other's, and may together pass it by as many as they met.
   */
  async name(tx: Db, operations: readonly OperationSums[]): Promise<OperationSums[]> {
    if (this.operations.size > MOST_HOURS) this.operations.clear()
    const unknown = operations.filter((of) => {
      const names = this.namesOf(of)
      return names.size < MOST_OPERATIONS && !names.has(of.operation)
    })
    if (unknown.length > 0)
      for (const { api, hour, operation } of await selectOperations(tx, distinct(unknown)))
        this.namesOf({ api, hour }).add(operation)
    return nameOperations(operations, (of) => this.namesOf(of), MOST_OPERATIONS)
  }

  private namesOf(of: Pick<OperationSums, 'api' | 'hour'>): Set<string> {
    const known = this.operations.get(of.api + of.hour)
    if (known) return known
    const names = new Set<string>()
    this.operations.set(of.api + of.hour, names)
    return names
  }
}

function distinct(operations: readonly OperationSums[]): OperationSums[] {
  return [...new Map(operations.map((of) => [of.api + of.hour, of])).values()]
}
