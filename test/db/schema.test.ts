import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshDatabase, type TestDatabase } from '#test/database'
import { type SeededSubscription, seedSubscription } from '#test/seed'

let database: TestDatabase
let seed: SeededSubscription

beforeAll(async () => {
  database = await freshDatabase()
  seed = await seedSubscription(database.db)
})
afterAll(() => database.drop())

const TABLES = [
  ...['users', 'sessions', 'refresh_tokens', 'signing_keys'],
  ...['apis', 'api_categories', 'api_allowed_methods', 'api_required_headers', 'api_ratings'],
  ...['pricing_models', 'pricing_tiers', 'pricing_revisions'],
  ...['promotions', 'promotion_redemptions'],
  ...['api_subscriptions', 'billing_periods', 'subscription_pricing_history', 'api_keys'],
  'subscription_adjustments',
  ...['usage_records', 'usage_counters', 'usage_backlog', 'usage_projections'],
  ...['api_usage_analytics', 'api_operation_analytics', 'billing_periods_version'],
  ...['usage_arrivals', 'usage_gaps'],
  ...['event_claims', 'event_counts', 'event_history', 'event_rates', 'gateway_drift', 'job_runs'],
  ...['invoices', 'billing_profiles', 'credit_notes', 'document_counters', 'payment_records'],
  ...['ledger_accounts', 'ledger_transactions', 'ledger_entries'],
  ...['approvals', 'approval_comments', 'approval_history'],
  'sandbox_clock_moves',
  ...['gateway_commits', 'leases', 'events', 'dead_letters', 'idempotency_keys', 'audit_log'],
  ...['payment_customers', 'payment_methods', 'webhook_inbox', 'refunds', 'disputes'],
  ...['outbox_mails', 'webhook_endpoints', 'webhook_deliveries'],
]

test('every table of the design is there, and no other', async () => {
  const rows = await database.sql`select relname from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`
  expect(rows.map(({ relname }) => relname).sort()).toEqual(TABLES.toSorted())
})

const uuid = (id: string) => `'${id.slice(id.indexOf('_') + 1)}'`
const fresh = 'uuidv7()'
const nobody = `'${'0'.repeat(32)}'`

/** SQLSTATE and constraint of what the statement is refused for; null when it is taken. */
async function refusal(statement: string): Promise<[string, string] | null> {
  try {
    await database.sql.unsafe(statement)
    return null
  } catch (error) {
    const { code, constraint_name } = error as { code: string; constraint_name: string }
    return [code, constraint_name]
  }
}

const insert = (table: string, values: Record<string, string>) =>
  `insert into ${table} (${Object.keys(values).join(', ')}) values (${Object.values(values).join(', ')})`

const ROWS = {
  users: () => ({ id: fresh, email: "'new@test.local'", name: "'N'", roles: "'{consumer}'" }),
  apis: () => ({
    ...{ id: fresh, owner_id: uuid(seed.ownerId), slug: "'fresh'", name: "'N'" },
    upstream_url: "'https://a.example'",
  }),
  pricing_models: () => ({
    ...{ id: fresh, api_id: uuid(seed.apiId), slug: "'fresh'", name: "'N'", type: "'flat'" },
    ...{ currency: "'EUR'", billing_cycle: "'monthly'", billable_statuses: "'[]'" },
  }),
  api_subscriptions: () => ({
    ...{ id: fresh, user_id: uuid(seed.ownerId), api_id: uuid(seed.apiId) },
    ...{ pricing_model_id: uuid(seed.planId), status: "'active'", anchor_at: 'now()' },
  }),
  billing_periods: () => ({
    ...{
      id: fresh,
      subscription_id: uuid(seed.subscriptionId),
      pricing_model_id: uuid(seed.planId),
    },
    ...{ ordinal: '9', starts_at: "'2030-01-01'", ends_at: "'2030-02-01'" },
    ...{ cycle_index: '9', cycle_starts_at: "'2030-01-01'", cycle_ends_at: "'2030-02-01'" },
    ...{ flat_fee: '0' },
  }),
  api_keys: () => ({
    ...{
      id: "'abcdefghijkl'",
      subscription_id: uuid(seed.subscriptionId),
      api_id: uuid(seed.apiId),
    },
    ...{ name: "'N'", secret_hash: "'\\x00'", last_four: "'0000'", status: "'active'" },
  }),
  invoices: () => ({
    ...{ id: fresh, sequence: '1', number: "'V-1'", user_id: uuid(seed.userId) },
    ...{ subscription_id: uuid(seed.subscriptionId), status: "'open'", currency: "'EUR'" },
    title: "'Weather · Pro'",
    ...{ subtotal: '100', tax: '19', total: '119', lines: "'[]'" },
  }),
  credit_notes: () => ({
    ...{ id: fresh, sequence: '1', number: "'V-CN-1'", reason: "'Late'", currency: "'EUR'" },
    invoice_id: '(select id from invoices limit 1)',
    ...{ subtotal: '10', tax: '2', total: '12', relieved: '2', to_credit: '3', refunded: '7' },
  }),
  ledger_accounts: () => ({
    ...{ id: fresh, type: "'receivable'", owner_id: uuid(seed.userId), currency: "'EUR'" },
  }),
  ledger_transactions: () => ({
    ...{ id: fresh, kind: "'invoice.finalized'", reference: "'inv_1'", currency: "'EUR'" },
    at: 'now()',
  }),
  payment_records: () => ({
    ...{ id: fresh, user_id: uuid(seed.userId), provider: "'stripe'", external_id: "'pi_1'" },
    ...{ channel: "'card'", attempt: '1', invoice_id: '(select id from invoices limit 1)' },
    ...{ status: "'failed'", currency: "'EUR'", amount: '100' },
  }),
  promotions: () => ({
    ...{ id: fresh, code: "'SPRING'", type: "'percentage'", value: '10', max_uses: '2' },
    ...{ starts_at: "'2030-01-01'", ends_at: "'2030-02-01'" },
  }),
  api_ratings: () => ({
    id: fresh,
    api_id: uuid(seed.apiId),
    user_id: uuid(seed.userId),
    stars: '5',
  }),
  usage_counters: () => ({
    ...{ subscription_id: uuid(seed.subscriptionId), billing_period_id: uuid(seed.periodId) },
    ...{ calls: '1', errors: '0', units: '1' },
  }),
  usage_gaps: () => ({
    ...{ gateway_id: "'gateway-1'", first: '4', last: '7', since: 'now()', state: "'open'" },
  }),
  gateway_commits: () => ({
    ...{
      id: fresh,
      kind: "'x'",
      subject_id: "'api_1'",
      state: "'preparing'",
      deadline_at: 'now()',
    },
  }),
  approvals: () => ({
    ...{
      id: fresh,
      kind: "'refund'",
      subject_id: "'x'",
      requester_id: uuid(seed.userId),
      request: "'{}'",
    },
  }),
  audit_log: () => ({ at: 'now()', action: "'api.published'", subject_id: "'api_1'" }),
} satisfies Record<string, () => Record<string, string>>
type Table = keyof typeof ROWS

test.each(Object.keys(ROWS) as Table[])('a right row of %s is taken', async (table) => {
  expect(await refusal(insert(table, ROWS[table]()))).toBeNull()
})

describe('what must not be is refused', () => {
  test.each<[Table, string, Record<string, string>, string, string]>([
    ['users', 'an email in capitals', { email: "'A@test.local'" }, '23514', 'users_email_lower'],
    ['users', 'an email twice', {}, '23505', 'users_email_unique'],
    [
      'users',
      'a role that is none',
      { email: "'b@b'", roles: "'{root}'" },
      '23514',
      'users_roles_known',
    ],
    [
      'users',
      'a status that is none',
      { email: "'b@b'", status: "'x'" },
      '23514',
      'users_status_known',
    ],
    ['apis', 'a slug twice', {}, '23505', 'apis_slug_unique'],
    ['apis', 'a slug of another form', { slug: "'A/b'" }, '23514', 'apis_slug_form'],
    ['apis', 'a status that is none', { slug: "'b'", status: "'x'" }, '23514', 'apis_status_known'],
    [
      'apis',
      'the owner of nothing',
      { slug: "'b'", owner_id: nobody },
      '23503',
      'apis_owner_id_users_id_fk',
    ],
    [
      'apis',
      'a category that is none',
      { slug: "'b'", category_id: nobody },
      '23503',
      'apis_category_id_api_categories_id_fk',
    ],
    ['pricing_models', 'a version twice', {}, '23505', 'pricing_models_version'],
    ['pricing_models', 'two current versions', { version: '2' }, '23505', 'pricing_models_current'],
    [
      'pricing_models',
      'a negative fee',
      { slug: "'b'", flat_fee: '-1' },
      '23514',
      'pricing_models_fee',
    ],
    [
      'pricing_models',
      'a quota of nothing',
      { slug: "'b'", quota_limit: '0' },
      '23514',
      'pricing_models_quota',
    ],
    [
      'pricing_models',
      'a currency that is none',
      { slug: "'b'", currency: "'eur'" },
      '23514',
      'pricing_models_currency',
    ],
    ['api_subscriptions', 'two that live', {}, '23505', 'api_subscriptions_live'],
    [
      'api_subscriptions',
      'a status that is none',
      { status: "'x'" },
      '23514',
      'api_subscriptions_status_known',
    ],
    [
      'api_subscriptions',
      'nobody',
      { user_id: nobody },
      '23503',
      'api_subscriptions_user_id_users_id_fk',
    ],
    [
      'billing_periods',
      'an ordinal twice',
      { starts_at: "'2030-01-02'" },
      '23505',
      'billing_periods_ordinal',
    ],
    ['billing_periods', 'a start twice', { ordinal: '10' }, '23505', 'billing_periods_start'],
    [
      'billing_periods',
      'an empty period',
      { ordinal: '11', starts_at: "'2031-01-01'", ends_at: "'2031-01-01'" },
      '23514',
      'billing_periods_forward',
    ],
    ['api_keys', 'an id of another form', { id: "'short'" }, '23514', 'api_keys_id_form'],
    ['api_keys', 'an id twice', {}, '23505', 'api_keys_pkey'],
    [
      'api_keys',
      'a status that is none',
      { id: "'abcdefghijkm'", status: "'x'" },
      '23514',
      'api_keys_status_known',
    ],
    [
      'api_keys',
      'no subscription',
      { id: "'abcdefghijkm'", subscription_id: nobody },
      '23503',
      'api_keys_subscription_id_api_subscriptions_id_fk',
    ],
    ['invoices', 'a number twice', {}, '23505', 'invoices_sequence'],
    [
      'invoices',
      'a total that is not the sum',
      { sequence: '3', total: '118' },
      '23514',
      'invoices_total',
    ],
    ['invoices', 'more paid than owed', { amount_paid: '120' }, '23514', 'invoices_due'],
    ['invoices', 'more credited than it is', { amount_credited: '120' }, '23514', 'invoices_parts'],
    [
      'invoices',
      'a total beside a credit',
      { subtotal: '0', tax: '0', total: '50', carried_to_credit: '50' },
      '23514',
      'invoices_sign',
    ],
    ['invoices', 'a draft with a number', { status: "'draft'" }, '23514', 'invoices_numbered'],
    ['invoices', 'a final one without', { number: 'null' }, '23514', 'invoices_numbered'],
    ['credit_notes', 'a number twice', {}, '23505', 'credit_notes_sequence'],
    [
      'credit_notes',
      'parts that are not the sum',
      { relieved: '3' },
      '23514',
      'credit_notes_parts',
    ],
    ['ledger_accounts', 'an account twice', {}, '23505', 'ledger_accounts_owner'],
    [
      'ledger_accounts',
      'a type that is none',
      { type: "'purse'" },
      '23514',
      'ledger_accounts_type_known',
    ],
    ['ledger_transactions', 'a fact twice', {}, '23505', 'ledger_transactions_fact'],
    ['payment_records', 'a payment twice', {}, '23505', 'payment_records_external'],
    [
      'payment_records',
      'a payment of nothing',
      { external_id: "'pi_2'", amount: '0' },
      '23514',
      'payment_records_amount',
    ],
    [
      'payment_records',
      'more back than paid',
      { external_id: "'pi_2'", amount_refunded: '101' },
      '23514',
      'payment_records_refund',
    ],
    ['promotions', 'a code twice', {}, '23505', 'promotions_code_unique'],
    [
      'promotions',
      'one that ends before it begins',
      { code: "'B'", ends_at: "'2029-01-01'" },
      '23514',
      'promotions_period',
    ],
    [
      'promotions',
      'more uses than there are',
      { code: "'B'", uses: '3' },
      '23514',
      'promotions_uses',
    ],
    ['api_ratings', 'a second one', {}, '23505', 'api_ratings_once'],
    [
      'api_ratings',
      'six stars',
      { user_id: uuidOfOwner(), stars: '6' },
      '23514',
      'api_ratings_stars',
    ],
    [
      'usage_counters',
      'a second one',
      {},
      '23505',
      'usage_counters_subscription_id_billing_period_id_pk',
    ],
    [
      'usage_counters',
      'no period',
      { billing_period_id: nobody },
      '23503',
      'usage_counters_billing_period_id_billing_periods_id_fk',
    ],
    ['usage_gaps', 'the wrong way round', { first: '8' }, '23514', 'usage_gaps_order'],
    [
      'gateway_commits',
      'two changes of one subject at once',
      {},
      '23505',
      'gateway_commits_open_subject',
    ],
    [
      'gateway_commits',
      'a finished one without its time',
      { subject_id: "'b'", state: "'committed'" },
      '23514',
      'gateway_commits_finished',
    ],
    [
      'approvals',
      'a decision without its time',
      { status: "'approved'" },
      '23514',
      'approvals_decided',
    ],
    [
      'audit_log',
      'an action of another form',
      { action: "'Did it'" },
      '23514',
      'audit_log_action_form',
    ],
  ])('%s: %s', async (table, _name, over, code, constraint) => {
    expect(await refusal(insert(table, { ...ROWS[table](), ...over }))).toEqual([code, constraint])
  })

  function uuidOfOwner(): string {
    return `(select id from users where id not in (select user_id from api_ratings) limit 1)`
  }

  test('what others refer to stays', async () => {
    const remove = (table: string, id: string) =>
      refusal(`delete from ${table} where id = ${uuid(id)}`)
    expect((await remove('apis', seed.apiId))?.[0]).toBe('23503')
    expect((await remove('users', seed.userId))?.[0]).toBe('23503')
    expect((await remove('users', seed.ownerId))?.[0]).toBe('23503')
    expect((await remove('pricing_models', seed.planId))?.[0]).toBe('23503')
    expect((await remove('api_subscriptions', seed.subscriptionId))?.[0]).toBe('23503')
  })

  test('what has ended leaves room for what lives', async () => {
    const ended = { ...ROWS.api_subscriptions(), status: "'cancelled'" }
    expect(await refusal(insert('api_subscriptions', ended))).toBeNull()
  })
})
