import type { Db } from '#db/client'
import { enqueueMails } from '#infra/mail'
import { PostFailed, postOutside } from '#infra/outbound'
import { type RetryPolicy, storable, type Worker } from '#infra/queue'
import type { Clock } from '#lib/clock'
import type { Id } from '#lib/id'
import type { OutboundPolicy } from '#lib/outbound'
import { webhookDeliveryDue } from './events'
import { letter } from './letter'
import { signatureHeaders } from './signature'
import type { Attempt, Delivery, Endpoint } from './webhook.repository'
import * as webhooks from './webhook.repository'
import type { WebhookSecrets } from './webhook-secrets'

const TIMEOUT_MS = 10_000
const ANSWER_BYTES = 2_000
/** Days of nothing but failures after which an endpoint is no longer tried. */
export const FAILING_DAYS = 5
const DAY_MS = 86_400_000
const GONE = 410

export interface DelivererOptions {
  db: Db
  clock: Clock
  secrets: WebhookSecrets
  policy: OutboundPolicy
  retry: RetryPolicy
}

/** Says to the queue that the delivery is to be tried again. */
class NotDelivered extends Error {
  constructor({ answerStatus, lastError }: Attempt) {
    super(lastError ?? `the receiver answered ${answerStatus}`)
    this.name = 'NotDelivered'
  }
}

/** Posts what is due to the endpoints of users, and keeps count of those that do not answer. */
export class WebhookDeliverer {
  private readonly db: Db

  constructor(private readonly options: DelivererOptions) {
    this.db = options.db
  }

  register(worker: Worker): void {
    const { retry } = this.options
    worker.on(
      webhookDeliveryDue,
      ({ deliveryId }, { event }) => this.deliver(deliveryId, event.attempts >= retry.maxAttempts),
      { retry },
    )
  }

  /**
   * One attempt. It may come to the receiver twice, when the process dies before it is noted; both
   * then have the same `webhook-id`.
   * @throws NotDelivered unless this was the last attempt: the delivery itself tells that it failed
   */
  private async deliver(deliveryId: Id<'whd'>, isLast: boolean): Promise<void> {
    const found = await webhooks.findDelivery(this.db, deliveryId)
    if (!found || found.delivery.state === 'succeeded') return
    const { delivery, endpoint } = found
    if (endpoint.status === 'disabled')
      return webhooks.giveUpDelivery(this.db, deliveryId, 'the endpoint is disabled')
    const attempt = await this.post(delivery, endpoint)
    if (isSuccess(attempt)) return this.recordSuccess(delivery, attempt)
    const isOver = await this.recordFailure(delivery, attempt, isLast)
    if (!isOver) throw new NotDelivered(attempt)
  }

  private async post({ messageId, body }: Delivery, endpoint: Endpoint): Promise<Attempt> {
    const { clock, policy, secrets } = this.options
    const attemptedAt = clock.now()
    const began = performance.now()
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Veil-Webhooks/1',
      ...signatureHeaders(secrets.validAt(endpoint, attemptedAt), {
        ...{ id: messageId, at: attemptedAt, body },
      }),
    }
    const limits = { timeoutMs: TIMEOUT_MS, answerLimit: ANSWER_BYTES }
    const outcome = await postOutside(new URL(endpoint.url), { headers, body, policy, ...limits })
      .then(({ status, body: answer }) => ({
        ...{ answerStatus: status, answerBody: storable(answer), lastError: null },
      }))
      .catch((error: unknown) => {
        if (!(error instanceof PostFailed)) throw error
        return { answerStatus: null, answerBody: null, lastError: storable(error.message) }
      })
    return { ...outcome, attemptedAt, durationMs: Math.round(performance.now() - began) }
  }

  private recordSuccess({ id, endpointId }: Delivery, attempt: Attempt): Promise<void> {
    return this.db.transaction(async (tx) => {
      await webhooks.recordAttempt(tx, id, 'succeeded', attempt)
      await webhooks.markWorking(tx, endpointId)
    })
  }

  /** @returns whether that was the end of it */
  private recordFailure(
    { id, endpointId }: Delivery,
    attempt: Attempt,
    isLast: boolean,
  ): Promise<boolean> {
    const now = this.options.clock.now()
    return this.db.transaction(async (tx) => {
      const since = await webhooks.markFailing(tx, endpointId, now)
      const isGone = attempt.answerStatus === GONE
      const isHopeless = isGone || now.getTime() - since.getTime() >= FAILING_DAYS * DAY_MS
      if (isHopeless) await this.disable(tx, endpointId, isGone ? 'gone' : 'failing', now)
      const isOver = isLast || isHopeless
      await webhooks.recordAttempt(tx, id, isOver ? 'failed' : 'pending', attempt)
      return isOver
    })
  }

  private async disable(
    tx: Db,
    id: Id<'whe'>,
    reason: 'gone' | 'failing',
    at: Date,
  ): Promise<void> {
    const owner = await webhooks.disableEndpoint(tx, id, reason, at)
    if (!owner) return
    const why =
      reason === 'gone'
        ? 'It answered 410 Gone, which asks us to stop.'
        : `For ${FAILING_DAYS} days every message to it has failed.`
    const mail = letter(owner, {
      subject: 'A webhook endpoint of yours was disabled',
      text: [
        `Your endpoint ${id} gets no more messages. ${why}`,
        `Once it is mended, switch it on again (PATCH /webhooks/endpoints/${id} with the status active), then look for deliveries to be sent again (GET /webhooks/endpoints/${id}/deliveries).`,
      ],
    })
    const dedupeKey = `${id}:disabled:${at.toISOString()}`
    await enqueueMails(tx, [{ ...mail, dedupeKey }], this.options.clock)
  }
}

const isSuccess = ({ answerStatus }: Attempt): boolean =>
  answerStatus !== null && answerStatus >= 200 && answerStatus < 300
