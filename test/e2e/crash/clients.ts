import { setTimeout as sleep } from 'node:timers/promises'
import type { SeededRandom } from '#test/random'
import type { Outcome } from './counting-upstream'

/** A key as its owner uses it. */
export interface ClientKey {
  name: string
  slug: string
  key: string
}

/** The more often one stands here, the more often it is asked for. */
const WISHES: readonly Outcome[] = [
  ...Array<Outcome>(14).fill('ok'),
  ...(['slow', 'created', 'created', 'moved', 'missing', 'missing', 'busy', 'broken'] as const),
]

/** Calls at the same time, each over a connection that it keeps. */
export const LANES = 16

/** What the clients saw of one phase. */
export class Clients {
  /** Ids of the calls whose whole answer arrived. */
  readonly answered = new Set<string>()
  readonly statuses = new Map<number, number>()
  /** Calls without an answer. */
  broken = 0
  inFlight = 0

  constructor(
    private readonly gatewayUrl: string,
    private readonly phase: string,
    private readonly keys: readonly ClientKey[],
  ) {}

  /** Calls until `isEnough`, and returns when every call has ended. */
  async run(random: SeededRandom, isEnough: () => boolean): Promise<void> {
    const lane = async (own: SeededRandom) => {
      while (!isEnough()) if (!(await this.callOnce(own))) await sleep(25)
    }
    await Promise.all(Array.from({ length: LANES }, () => lane(random.fork())))
  }

  /** @returns whether the gateway let it through; if not, the next call should not come at once */
  private async callOnce(random: SeededRandom): Promise<boolean> {
    const { name, slug, key } = random.pick(this.keys)
    const isPost = random.next() < 0.3
    const url = `${this.gatewayUrl}/${slug}/${this.phase}/${name}/${random.pick(WISHES)}?q=1`
    this.inFlight++
    try {
      const response = await fetch(url, {
        method: isPost ? 'POST' : 'GET',
        headers: { 'x-api-key': key },
        ...(isPost && { body: 'x'.repeat(100) }),
        redirect: 'manual',
        signal: AbortSignal.timeout(20_000),
      })
      await response.arrayBuffer()
      this.answered.add(response.headers.get('x-request-id') ?? '')
      this.statuses.set(response.status, (this.statuses.get(response.status) ?? 0) + 1)
      return response.status !== 503 && response.status !== 429
    } catch {
      this.broken++
      return false
    } finally {
      this.inFlight--
    }
  }
}
