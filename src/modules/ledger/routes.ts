import { PageQuery, pageRequest, RouteGroup, t } from '#infra/http'
import type { LedgerReader } from './ledger-reader'
import { CreditView, LedgerPage, TrialBalanceView } from './schemas'

export const ledgerRoutes = (ledger: LedgerReader) =>
  new RouteGroup('/payments', 'Payments')
    .get(
      '/credits',
      {
        permission: 'billing:read',
        summary: 'Your credit and prepaid balance, by currency',
        response: t.Array(CreditView),
      },
      ({ actor }) => ledger.credits(actor),
    )
    .get(
      '/ledger',
      {
        permission: 'billing:read',
        summary: 'What was booked on your accounts, newest first',
        query: t.Object(PageQuery),
        response: LedgerPage,
      },
      ({ actor, query }) => ledger.own(actor, pageRequest(query, 'txn')),
    )

export const ledgerAdminRoutes = (ledger: LedgerReader) =>
  new RouteGroup('/admin/ledger', 'Admin')
    .get(
      '',
      {
        permission: 'billing:audit',
        summary: 'What was booked, newest first',
        query: t.Object(PageQuery),
        response: LedgerPage,
      },
      ({ query }) => ledger.all(pageRequest(query, 'txn')),
    )
    .get(
      '/balances',
      {
        permission: 'billing:audit',
        summary: 'Balances by type of account and currency',
        description: 'Those of one currency sum to zero.',
        response: t.Array(TrialBalanceView),
      },
      () => ledger.balances(),
    )
