import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import type { Database } from '#db/client'
import { usageRecords } from '#db/schema/usage'
import { eventually } from '#test/poll'
import { askOk } from '#test/request'
import { ADMIN, type Installation } from './installation'

/** One call as the ledger has it. */
export interface BookedCall {
  id: string
  phase: string
  keyId: string
  subscriptionId: string
  status: number
  units: number
}

interface Completeness {
  waitingBatches: number
  gateways: { highest: number; completeUpTo: number; missing: number; gaps: unknown[] }[]
}

/** Veil's books, read from outside. */
export class Books {
  constructor(
    private readonly installation: Installation,
    private readonly database: Database,
  ) {}

  async completeness(): Promise<Completeness> {
    const { apiUrl } = this.installation
    const { accessToken: token } = await askOk(`${apiUrl}/auth/login`, 'POST', { body: ADMIN })
    return askOk(`${apiUrl}/usage/completeness`, 'GET', { token })
  }

  /** Calls in the gateway's log that were let through. */
  async logged(): Promise<number> {
    const text = await readFile(this.installation.usageLog, 'utf8')
    return text.match(/"user_id":"[^"]/g)?.length ?? 0
  }

  /** Until all that the log has is in the ledger, and no event waits. */
  async untilQuiet(): Promise<void> {
    const logged = await this.logged()
    let last = ''
    const isQuiet = async () => {
      const { waitingBatches, gateways } = await this.completeness()
      last = JSON.stringify({ waitingBatches, gateways, logged })
      return waitingBatches === 0 && (gateways[0]?.completeUpTo ?? 0) >= logged
    }
    // What was in work when its worker died is taken up when the lease ends, after 15 s.
    await eventually(isQuiet, 'all calls in the ledger', 45_000).catch((error) => {
      throw new Error(`${error.message}; ${last}`)
    })
  }

  async ledger(): Promise<BookedCall[]> {
    const { id, path, keyId, subscriptionId, status, units } = usageRecords
    const phase = sql<string>`split_part(${path}, '/', 3)`
    return this.database.db
      .select({ id, phase, keyId, subscriptionId, status, units })
      .from(usageRecords)
  }

  /** What each place that counts says, by subscription; and the dead letters. */
  async sums() {
    const { sql } = this.database
    const sums = sql`subscription_id as id, sum(calls)::int as calls, sum(units)::int as units,
      sum(errors)::int as errors`
    const records = await sql`
      select subscription_id as id, count(*)::int as calls, sum(units)::int as units,
        count(*) filter (where status >= 400)::int as errors
      from usage_records group by 1 order by 1`
    const counters = await sql`select ${sums} from usage_counters group by 1 order by 1`
    const keyHours = await sql`select ${sums} from api_usage_analytics group by 1 order by 1`
    const [all] = await sql`select sum(calls)::int as calls from api_operation_analytics`
    const deadLetters = await sql`select type, reason from dead_letters`
    return {
      ...{ records: [...records], counters: [...counters], keyHours: [...keyHours] },
      ...{ operations: all?.calls, deadLetters: [...deadLetters] },
    }
  }
}
