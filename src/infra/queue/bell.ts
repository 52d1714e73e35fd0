import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from '#db/client'

const CHANNEL = 'veil_queue'
/** Under steady load other processes hear of commits at most this often, in ms. */
const GATHER_MS = 5

type Listener = (types: readonly string[]) => void

const bells = new WeakMap<Sql, Bell>()

/** The one bell of this process for a database. */
export function bellOf(sql: Sql): Bell {
  const bell = bells.get(sql) ?? new Bell(sql)
  bells.set(sql, bell)
  return bell
}

/**
 * Tells that events of some types were committed: the workers of this process at once, those of
 * others by a notification. A commit that notifies takes a lock of the whole server, so notifications
 * are sent apart from the publishing transactions, one at a time, each for all commits until then.
 */
class Bell {
  private readonly id = randomUUID()
  private readonly listeners = new Set<Listener>()
  private readonly pending = new Set<string>()
  private isSending = false

  constructor(private readonly sql: Sql) {}

  ring(type: string): void {
    for (const listener of this.listeners) listener([type])
    this.pending.add(type)
    if (!this.isSending) void this.send()
  }

  /**
   * Calls `listener` for what this process and others commit. A connection that breaks is made anew
   * by the client.
   *
   * @param onListening called whenever notifications may have been missed
   * @returns what ends it
   */
  async listen(listener: Listener, onListening: () => void): Promise<() => Promise<void>> {
    this.listeners.add(listener)
    const heard = (message: string) => {
      const [sender, ...types] = message.split(' ')
      if (sender !== this.id) listener(types)
    }
    try {
      const { unlisten } = await this.sql.listen(CHANNEL, heard, onListening)
      return async () => {
        this.listeners.delete(listener)
        await unlisten().catch(() => undefined)
      }
    } catch (error) {
      this.listeners.delete(listener)
      throw error
    }
  }

  /** One that gets lost costs a poll's time: there is nobody to tell and nothing to undo. */
  private async send(): Promise<void> {
    this.isSending = true
    while (this.pending.size > 0) {
      const message = [this.id, ...this.pending].join(' ')
      this.pending.clear()
      await this.sql`
        select set_config('synchronous_commit', 'off', true), pg_notify(${CHANNEL}, ${message})
      `.catch(() => undefined)
      await sleep(GATHER_MS)
    }
    this.isSending = false
  }
}
