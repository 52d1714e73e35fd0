import { and, desc, eq, lt, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '#db/client'
import { olderThan } from '#db/paging'
import { type MAIL_STATES, outboxMails } from '#db/schema/mail'
import { defineEvent, publishMany } from '#infra/queue'
import type { Clock } from '#lib/clock'
import { type Id, newId } from '#lib/id'
import { idSchema } from '#lib/id-schema'
import type { PageRequest } from '#lib/page'

export type StoredMail = typeof outboxMails.$inferSelect
export type MailState = (typeof MAIL_STATES)[number]

/** A mail to be sent: plain text, and nothing in it that an admin may not read. */
export interface Mail {
  /** What it tells, and to whom: the same news for the same person is one mail. */
  dedupeKey: string
  to: string
  subject: string
  text: string
  /** The id of what is to be attached: see {@link MailDelivererOptions}. */
  attachment?: string
}

/** A mail waits in the outbox. */
export const mailDue = defineEvent('mail.due', z.object({ mailId: idSchema('mail') }))

/**
 * Writes mails in the caller's transaction; they are sent after its commit. One whose dedupe key is
 * known is left out, so that whoever is told twice to send it sends it once.
 */
export async function enqueueMails(db: Db, mails: readonly Mail[], clock: Clock): Promise<void> {
  if (mails.length === 0) return
  const createdAt = clock.now()
  const rows = mails.map(({ to: toAddress, ...mail }) => ({
    ...{ ...mail, toAddress, createdAt, id: newId('mail', clock) },
  }))
  const added = await db
    .insert(outboxMails)
    .values(rows)
    .onConflictDoNothing({ target: outboxMails.dedupeKey })
    .returning({ mailId: outboxMails.id })
  await publishMany(
    db,
    mailDue,
    added.map((payload) => ({ payload })),
  )
}

export async function findMail(db: Db, id: Id<'mail'>): Promise<StoredMail | null> {
  const [mail] = await db.select().from(outboxMails).where(eq(outboxMails.id, id))
  return mail ?? null
}

/** Newest first, one more than asked for. */
export function listMails(
  db: Db,
  state: MailState | undefined,
  page: PageRequest,
): Promise<StoredMail[]> {
  const inState = state === undefined ? undefined : eq(outboxMails.state, state)
  return db
    .select()
    .from(outboxMails)
    .where(and(inState, olderThan(outboxMails, page.after)))
    .orderBy(desc(outboxMails.createdAt), desc(outboxMails.id))
    .limit(page.limit + 1)
}

/** What became of an attempt to send. */
export async function recordAttempt(
  db: Db,
  id: Id<'mail'>,
  outcome: Pick<StoredMail, 'state'> & Partial<Pick<StoredMail, 'lastError' | 'sentAt'>>,
): Promise<void> {
  await db
    .update(outboxMails)
    .set({ ...outcome, attempts: sql`${outboxMails.attempts} + 1` })
    .where(eq(outboxMails.id, id))
}

/** Forgets what was written before an instant. @returns how many */
export async function deleteMails(db: Db, before: Date): Promise<number> {
  const deleted = await db
    .delete(outboxMails)
    .where(lt(outboxMails.createdAt, before))
    .returning({ id: outboxMails.id })
  return deleted.length
}
