import { and, asc, eq, gt, sql } from 'drizzle-orm'
import { type Db, rawClient } from '#db/client'
import {
  type BuyerSnapshot,
  billingProfiles,
  type InvoiceLine,
  invoices,
  type SellerSnapshot,
  type TaxLine,
} from '#db/schema/billing'
import { users } from '#db/schema/identity'
import type { Id } from '#lib/id'

const uuidOf = (id: string): string => id.slice(id.indexOf('_') + 1)

/** Drafts in the order of their ids, beyond `after`, with who is to pay them. */
export function listDrafts(db: Db, after: Id<'inv'>, limit: number) {
  return db
    .select({
      draft: {
        ...{ id: invoices.id, userId: invoices.userId, providerId: invoices.providerId },
        ...{ currency: invoices.currency, lines: invoices.lines },
      },
      userName: users.name,
      profile: billingProfiles,
    })
    .from(invoices)
    .innerJoin(users, eq(users.id, invoices.userId))
    .leftJoin(billingProfiles, eq(billingProfiles.userId, invoices.userId))
    .where(and(eq(invoices.status, 'draft'), gt(invoices.id, after)))
    .orderBy(asc(invoices.id))
    .limit(limit)
}
export type DraftRow = Awaited<ReturnType<typeof listDrafts>>[number]

/** Those of these invoices that are still drafts, and nobody else is finalizing, until the transaction ends. */
export async function lockDrafts(db: Db, ids: readonly Id<'inv'>[]): Promise<Set<Id<'inv'>>> {
  const rows = await db
    .select({ id: invoices.id })
    .from(invoices)
    .where(
      and(
        sql`${invoices.id} = any(${`{${ids.map(uuidOf).join(',')}}`}::uuid[])`,
        eq(invoices.status, 'draft'),
      ),
    )
    .orderBy(asc(invoices.id))
    .for('no key update', { skipLocked: true })
  return new Set(rows.map(({ id }) => id))
}

/** A draft with all that makes it final. Amounts in minor units. */
export interface FinalInvoice {
  id: Id<'inv'>
  userId: Id<'usr'>
  providerId: Id<'usr'> | null
  currency: string
  sequence: number
  number: string
  lines: InvoiceLine[]
  taxes: TaxLine[]
  pricesIncludeTax: boolean
  subtotal: bigint
  tax: bigint
  total: bigint
  carriedToCredit: bigint
  creditApplied: bigint
  providerEarnings: bigint
  platformFee: bigint
  seller: SellerSnapshot
  buyer: BuyerSnapshot
  finalizedAt: Date
  dueAt: Date
}

export const isPaidAtOnce = ({ total, creditApplied }: FinalInvoice): boolean =>
  total === creditApplied

export async function finalizeDrafts(db: Db, finals: readonly FinalInvoice[]): Promise<void> {
  const rows = finals.map((final) => ({
    ...{ id: uuidOf(final.id), sequence: final.sequence, number: final.number },
    ...{ lines: final.lines, taxes: final.taxes, prices_include_tax: final.pricesIncludeTax },
    ...{ subtotal: String(final.subtotal), tax: String(final.tax), total: String(final.total) },
    ...{ carried: String(final.carriedToCredit), applied: String(final.creditApplied) },
    ...{ earnings: String(final.providerEarnings), fee: String(final.platformFee) },
    ...{ seller: final.seller, buyer: final.buyer, paid: isPaidAtOnce(final) },
    ...{ finalized_at: final.finalizedAt, due_at: final.dueAt },
  }))
  await rawClient(db).unsafe(FINALIZE, [JSON.stringify(rows)])
}

const FINALIZE = `
  update invoices set
    sequence = row.sequence, number = row.number, lines = row.lines, taxes = row.taxes,
    prices_include_tax = row.prices_include_tax, subtotal = row.subtotal, tax = row.tax,
    total = row.total, carried_to_credit = carried, credit_applied = applied,
    provider_earnings = earnings, platform_fee = fee, seller = row.seller, buyer = row.buyer,
    finalized_at = row.finalized_at, due_at = row.due_at,
    status = case when paid then 'paid' else 'open' end,
    paid_at = case when paid then row.finalized_at end
  from json_to_recordset($1::text::json) as row (id uuid, sequence bigint, number text, lines jsonb,
    taxes jsonb, prices_include_tax boolean, subtotal bigint, tax bigint, total bigint,
    carried bigint, applied bigint, earnings bigint, fee bigint, seller jsonb, buyer jsonb,
    paid boolean, finalized_at timestamptz, due_at timestamptz)
  where invoices.id = row.id`
