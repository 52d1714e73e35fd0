import { connect, type Database } from '#db/client'
import { newPlace } from '#test/process'
import { SeededRandom } from '#test/random'
import { Books } from './books'
import { Clients } from './clients'
import { CountingUpstream } from './counting-upstream'
import { Installation, type Victim } from './installation'
import { RecordingProxy } from './recording-proxy'
import { carryOut, drawCrashes, inWords } from './schedule'
import { openShop, type SoldKey } from './shop'

export interface Phase {
  name: string
  /** As the upstream counts them. */
  calls: number
  kills: Partial<Record<Victim, number>>
}

export interface PhaseResult {
  clients: Clients
  /** How many calls were in flight each time the gateway was killed. */
  openAtDeath: number[]
}

/** All that takes part: an installation, its upstream, what it sold, and who watches. */
export class CrashRun {
  private constructor(
    private readonly random: SeededRandom,
    readonly upstream: CountingUpstream,
    readonly proxy: RecordingProxy,
    readonly installation: Installation,
    private readonly database: Database,
    readonly keys: readonly SoldKey[],
    readonly books: Books,
  ) {}

  static async start(seed: number): Promise<CrashRun> {
    const random = new SeededRandom(seed)
    const place = await newPlace()
    const upstream = new CountingUpstream()
    const proxy = new RecordingProxy(`http://127.0.0.1:${place.environment.PORT}`, random.fork())
    const installation = await Installation.start(proxy.url, place)
    const database = connect({ url: installation.databaseUrl, maxConnections: 4 })
    const parts = [random, upstream, proxy, installation, database] as const
    try {
      const keys = await openShop(installation.apiUrl, upstream.url)
      return new CrashRun(...parts, keys, new Books(installation, database))
    } catch (error) {
      await new CrashRun(...parts, [], new Books(installation, database)).dispose()
      throw error
    }
  }

  /** Calls and kills until both are done; then no call is on its way any more. */
  async go({ name, calls, kills }: Phase): Promise<PhaseResult> {
    const { upstream, installation } = this
    const random = this.random.fork()
    const crashes = drawCrashes(random, calls, kills)
    console.log(`${name}: ${inWords(crashes)}`)
    const before = upstream.seen.size
    const seen = () => upstream.seen.size - before
    const clients = new Clients(installation.gatewayUrl, name, this.keys)
    const openAtDeath: number[] = []
    let isDone = false
    const killing = carryOut(crashes, seen, async (victim) => {
      await installation.kill(victim)
      if (victim === 'caddy') openAtDeath.push(clients.inFlight)
    })
    const calling = clients.run(random, () => isDone && seen() >= calls)
    await killing.finally(() => {
      isDone = true
    })
    await calling
    return { clients, openAtDeath }
  }

  async dispose(): Promise<void> {
    await this.database.close()
    await this.installation.dispose()
    await Promise.all([this.proxy.stop(), this.upstream.stop()])
  }
}
