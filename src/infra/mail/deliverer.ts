import type { Db } from '#db/client'
import { Discard, type RetryPolicy, storable, type Worker } from '#infra/queue'
import type { Clock } from '#lib/clock'
import type { Id } from '#lib/id'
import { findMail, mailDue, recordAttempt } from './outbox'
import { type Attachment, MailNotSent, type SmtpSender } from './smtp'

export interface MailDelivererOptions {
  db: Db
  clock: Clock
  /** Null where no mail server is set: mails are then kept for the admins. */
  sender: SmtpSender | null
  retry: RetryPolicy
  /** Makes what is attached; null where it is gone, and the mail goes without. */
  attach?: (attachment: string) => Promise<Attachment | null>
}

/** Hands what is due to the mail server. */
export class MailDeliverer {
  private readonly db: Db

  constructor(private readonly options: MailDelivererOptions) {
    this.db = options.db
  }

  register(worker: Worker): void {
    const { retry } = this.options
    worker.on(
      mailDue,
      ({ mailId }, { event }) => this.deliver(mailId, event.attempts >= retry.maxAttempts),
      { retry },
    )
  }

  /**
   * One attempt. A mail that was sent is not sent again, except where the process dies, or the
   * database goes away, between the server's "taken" and our note of it, or where that answer is
   * lost on the way: then the second copy has the same Message-ID.
   * @throws MailNotSent to be tried again, Discard where that is of no use
   */
  private async deliver(id: Id<'mail'>, isLast: boolean): Promise<void> {
    const mail = await findMail(this.db, id)
    if (!mail || mail.state === 'sent') return
    const { sender, clock } = this.options
    if (!sender) return recordAttempt(this.db, id, { state: 'kept' })
    const attachment = mail.attachment && (await this.options.attach?.(mail.attachment))
    try {
      await sender.send(mail, attachment || null)
    } catch (error) {
      throw error instanceof MailNotSent ? await this.recordFailure(id, error, isLast) : error
    }
    await recordAttempt(this.db, id, { state: 'sent', sentAt: clock.now(), lastError: null })
  }

  private async recordFailure(
    id: Id<'mail'>,
    error: MailNotSent,
    isLast: boolean,
  ): Promise<MailNotSent | Discard> {
    const state = isLast || error.isFinal ? 'failed' : 'queued'
    await recordAttempt(this.db, id, { state, lastError: storable(error.answer) })
    return error.isFinal ? new Discard(`refused for good: ${error.message}`) : error
  }
}
