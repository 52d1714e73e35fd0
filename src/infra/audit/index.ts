import type { Db } from '#db/client'
import { auditLog } from '#db/schema/infra'
import { currentContext } from '#infra/logger'

export interface AuditEntry {
  /** Who did it; null when the system did, or somebody who is not signed in. */
  actorId: string | null
  /** `noun.verbed`, lower-case letters and hyphens. */
  action: `${string}.${string}`
  subjectId: string
  /** Facts that explain the entry; never a password, a token or a mail address. */
  details?: Record<string, unknown>
  at: Date
}

/** Adds a line to the audit log, in the transaction of the change that it tells of. */
export async function recordAudit(db: Db, entry: AuditEntry): Promise<void> {
  await db.insert(auditLog).values({
    actorId: entry.actorId,
    action: entry.action,
    subjectId: entry.subjectId,
    details: entry.details ?? {},
    requestId: currentContext()?.requestId ?? null,
    at: entry.at,
  })
}
