import { LEDGER_ACCOUNT_TYPES } from '#db/schema/ledger'
import { oneOf, pageOf, t } from '#infra/http'

const Account = {
  account: oneOf(LEDGER_ACCOUNT_TYPES),
  ownerId: t.Union([t.String(), t.Null()], { description: 'Null: the operator.' }),
}
const Amount = t.Integer({ description: 'Minor units; above 0 a debit, below 0 a credit.' })

export const CreditView = t.Object(
  {
    currency: t.String(),
    credit: t.Integer({ description: 'Minor units; the next invoices are paid out of it.' }),
    prepaid: t.Integer({ description: 'Minor units, paid beforehand.' }),
  },
  { $id: 'Credit' },
)

const LedgerTransactionView = t.Object(
  {
    id: t.String(),
    kind: t.String({ description: 'What happened, such as `invoice.finalized`.' }),
    reference: t.String({ description: 'To what: with the kind, it is booked once.' }),
    currency: t.String(),
    at: t.String({ format: 'date-time' }),
    entries: t.Array(t.Object({ ...Account, amount: Amount })),
  },
  { $id: 'LedgerTransaction' },
)
export const LedgerPage = pageOf(LedgerTransactionView)

export const TrialBalanceView = t.Object(
  {
    account: Account.account,
    currency: t.String(),
    balance: t.Integer({ description: 'Minor units on all accounts of this type.' }),
  },
  { $id: 'LedgerBalance' },
)
