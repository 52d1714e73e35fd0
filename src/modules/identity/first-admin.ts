import type { Db } from '#db/client'
import { recordAudit } from '#infra/audit'
import type { Clock } from '#lib/clock'
import { newId } from '#lib/id'
import { FirstAdminEmailTaken } from './errors'
import { generatePassword, type Passwords } from './password'
import { hasAdmin, insertUser, lockFirstAdmin } from './repository'

export interface FirstAdminInput {
  /** Already trimmed and lower-cased. */
  email: string
  /** Made up when null. */
  password: string | null
}

export interface FirstAdmin {
  created: boolean
  /** Only when it was made up, just now: to be shown once. */
  password?: string
}

/**
 * Makes an admin if there is none, whatever the admin is called by now; an account that exists is
 * never touched. Of replicas that start at once exactly one makes it.
 * @throws FirstAdminEmailTaken
 */
export async function createFirstAdmin(
  db: Db,
  clock: Clock,
  passwords: Passwords,
  { email, password }: FirstAdminInput,
): Promise<FirstAdmin> {
  if (await hasAdmin(db)) return { created: false }
  const generated = password === null ? generatePassword() : null
  const passwordHash = await passwords.hash(password ?? generated ?? '')
  const created = await db.transaction(async (tx) => {
    await lockFirstAdmin(tx)
    if (await hasAdmin(tx)) return false
    await insertAdmin(tx, clock, email, passwordHash)
    return true
  })
  return created && generated !== null ? { created, password: generated } : { created }
}

async function insertAdmin(tx: Db, clock: Clock, email: string, hash: string): Promise<void> {
  const at = clock.now()
  const user = await insertUser(tx, {
    id: newId('usr', clock),
    email,
    passwordHash: hash,
    name: 'Administrator',
    roles: ['admin'],
    createdAt: at,
    updatedAt: at,
  })
  if (!user) throw new FirstAdminEmailTaken()
  const action = 'user.made-first-admin'
  await recordAudit(tx, { actorId: null, action, subjectId: user.id, at })
}
