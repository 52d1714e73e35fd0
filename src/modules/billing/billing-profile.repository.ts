import { eq } from 'drizzle-orm'
import type { Db } from '#db/client'
import { billingProfiles } from '#db/schema/billing'
import type { Id } from '#lib/id'

export type BillingProfile = typeof billingProfiles.$inferSelect

export async function findProfile(db: Db, userId: Id<'usr'>): Promise<BillingProfile | null> {
  const [profile] = await db
    .select()
    .from(billingProfiles)
    .where(eq(billingProfiles.userId, userId))
  return profile ?? null
}

/** An exemption stays: it is not the customer's to say. */
export async function writeProfile(
  db: Db,
  profile: Omit<BillingProfile, 'taxExempt'>,
): Promise<void> {
  await db
    .insert(billingProfiles)
    .values(profile)
    .onConflictDoUpdate({ target: billingProfiles.userId, set: profile })
}

export async function writeExempt(
  db: Db,
  userId: Id<'usr'>,
  taxExempt: boolean,
  updatedAt: Date,
): Promise<BillingProfile | null> {
  const [profile] = await db
    .update(billingProfiles)
    .set({ taxExempt, updatedAt })
    .where(eq(billingProfiles.userId, userId))
    .returning()
  return profile ?? null
}
