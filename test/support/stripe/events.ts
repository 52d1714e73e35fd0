import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '#lib/clock'

export interface FakeEvent {
  id: string
  type: string
  created: number
  data: { object: any }
}

/** Where events are delivered, and under which secret. */
export interface Endpoint {
  url: string
  secret: string
}

/** Makes events, signs them as Stripe does, and delivers them: at once, or when a test says so. */
export class FakeEvents {
  readonly all: FakeEvent[] = []
  endpoint: Endpoint | null = null
  /** Held events are delivered by nobody but the test. */
  isHolding = false
  private readonly underway = new Set<Promise<unknown>>()

  constructor(private readonly clock: Clock) {}

  emit(type: string, object: unknown): void {
    const event = {
      ...{ id: `evt_${randomBytes(12).toString('hex')}`, object: 'event', type, livemode: false },
      ...{ api_version: '2026-10-28.endive', pending_webhooks: 1, request: null },
      created: Math.floor(this.clock.now().getTime() / 1000),
      data: { object: structuredClone(object) },
    }
    this.all.push(event)
    if (!this.endpoint || this.isHolding) return
    const delivery = this.deliver(event).catch(() => undefined)
    this.underway.add(delivery)
    void delivery.then(() => this.underway.delete(delivery))
  }

  of(type: string): FakeEvent[] {
    return this.all.filter((event) => event.type === type)
  }

  /** @returns the status of the answer */
  async deliver(event: FakeEvent): Promise<number> {
    if (!this.endpoint) throw new Error('no endpoint')
    const body = JSON.stringify(event)
    const response = await fetch(this.endpoint.url, {
      ...{ method: 'POST', body, keepalive: false },
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'stripe-signature': this.sign(body),
      },
    })
    return response.status
  }

  /** The header `Stripe-Signature` of a body, made without Stripe's library. */
  sign(body: string, at = this.clock.now(), secret = this.endpoint?.secret ?? ''): string {
    const seconds = Math.floor(at.getTime() / 1000)
    const mac = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
    return `t=${seconds},v1=${mac}`
  }

  /** Until every delivery that was begun by itself is over. */
  async settle(): Promise<void> {
    while (this.underway.size > 0) await Promise.all(this.underway)
  }
}
