import type { Sql } from '#db/client'
import type { Settlement } from './settle'

interface Tally {
  done: number
  retried: number
  dead: number
}

/** Counts how attempts end and writes the counts now and then: a row a minute, worker and type. */
export class Rates {
  private tallies = new Map<string, Tally>()

  constructor(
    private readonly sql: Sql,
    private readonly worker: string,
  ) {}

  add(type: string, { done, retried, dead }: Settlement): void {
    const tally = this.tallies.get(type) ?? { done: 0, retried: 0, dead: 0 }
    this.tallies.set(type, tally)
    tally.done += done
    tally.retried += retried
    tally.dead += dead
  }

  /** What cannot be written is counted in again. */
  async flush(): Promise<void> {
    if (this.tallies.size === 0) return
    const tallies = this.tallies
    this.tallies = new Map()
    const rows = [...tallies].map(([type, tally]) => ({ type, ...tally }))
    try {
      await this.sql`
        insert into event_rates (minute, worker, type, done, retried, dead)
        select date_trunc('minute', clock_timestamp()), ${this.worker}, type, done, retried, dead
        from json_to_recordset(${JSON.stringify(rows)}::text::json)
          as row (type text, done bigint, retried bigint, dead bigint)
        on conflict (minute, worker, type) do update set done = event_rates.done + excluded.done,
          retried = event_rates.retried + excluded.retried, dead = event_rates.dead + excluded.dead`
    } catch (error) {
      for (const [type, { done, retried, dead }] of tallies) {
        this.add(type, { done, retried, dead, snoozed: 0, released: 0, lost: 0 })
      }
      throw error
    }
  }
}
