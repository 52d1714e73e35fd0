import type { Sql } from '../../src/db/client.ts'
import { seedSubscriptions } from './usage-seed.ts'

/** A month of subscriptions with a fee of 29.00 that is paid, and some thousand units beyond their quota. */
export async function seedMonth(sql: Sql, count: number): Promise<void> {
  await sql`set synchronous_commit = off`
  await seedSubscriptions(sql, count)
  await sql.unsafe(`
    update pricing_models set type = 'hybrid', flat_fee = 2900, quota_limit = 1000, overage_rate = 0.05;
    update billing_periods set flat_fee = 2900, quota_limit = 1000, advance_invoice_id = uuidv7();
    insert into usage_counters (subscription_id, billing_period_id, calls, errors, units)
      select subscription_id, id, 3000, 0, 1000 + (row_number() over ()) % 2000 from billing_periods;
    analyze`)
}

/**
 * What invoicing leaves in the tables, written by SQL alone: rows for periods, invoices, ledger and
 * events, without rating, tax, credit or limits of batches. A sketch of the least that Postgres must do.
 */
export const RAW_MONTH = `
  insert into ledger_accounts (id, type, owner_id, currency)
    select uuidv7(), 'receivable', user_id, 'EUR' from api_subscriptions
    union all select uuidv7(), 'platform_fee', '00000000-0000-0000-0000-000000000000', 'EUR'
    union all select uuidv7(), 'provider_earnings', owner_id, 'EUR' from (select distinct owner_id from apis) o;
  update billing_periods set status = 'closed';
  insert into billing_periods (id, subscription_id, pricing_model_id, ordinal, cycle_index,
      starts_at, ends_at, cycle_starts_at, cycle_ends_at, flat_fee, quota_limit)
    select uuidv7(), subscription_id, pricing_model_id, 1, 1, ends_at, ends_at + interval '30 days',
      ends_at, ends_at + interval '30 days', 2900, 1000 from billing_periods;
  insert into invoices (id, user_id, subscription_id, provider_id, status, title, currency, lines,
      subtotal, total, created_at)
    select uuidv7(), user_id, s.id, owner_id, 'draft', api.name || ' · Pro', 'EUR', line.lines, 2990, 2990, now()
    from api_subscriptions s join apis api on api.id = s.api_id
    cross join (select jsonb_build_array(line, line) as lines from (select jsonb_build_object(
      'code', 'overage', 'description', 'Units beyond the quota, 2027-01-01 to 2027-02-01',
      'quantity', 1800, 'amount', 90, 'tax', 0, 'rate', null, 'explain', '(2800 − 1000) × 0.05',
      'source', jsonb_build_object('kind', 'arrears', 'units', 2800, 'periodId', uuidv7())) line) l) line;
  update billing_periods period set status = 'invoiced', arrears_invoice_id = i.id, billed_units = 2800
    from invoices i where i.subscription_id = period.subscription_id and ordinal = 0;
  update billing_periods period set advance_invoice_id = i.id
    from invoices i where i.subscription_id = period.subscription_id and ordinal = 1;
  update invoices set status = 'open', sequence = n, number = 'VEIL-' || n, provider_earnings = 2691,
      platform_fee = 299, seller = '{}', buyer = '{}', finalized_at = now(), due_at = now()
    from (select id as of, row_number() over (order by id) n from invoices) numbered where id = of;
  insert into ledger_transactions (id, kind, reference, currency, at)
    select id, 'invoice.finalized', 'inv_' || id, 'EUR', now() from invoices;
  insert into ledger_entries (transaction_id, account_id, currency, amount)
    select i.id, a.id, 'EUR', 2990 from invoices i
      join ledger_accounts a on a.owner_id = i.user_id and a.type = 'receivable'
    union all select i.id, a.id, 'EUR', -2691 from invoices i
      join ledger_accounts a on a.owner_id = i.provider_id and a.type = 'provider_earnings'
    union all select i.id, a.id, 'EUR', -299 from invoices i
      join ledger_accounts a on a.type = 'platform_fee';
  insert into events (id, type, payload, rank, run_at)
    select uuidv7(), type, jsonb_build_object('invoiceId', 'inv_' || id, 'at', now()), 0, now()
    from invoices, unnest('{invoice.finalized,invoice.collection-due}'::text[]) type`
