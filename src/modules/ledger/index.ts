export { Ledger, type LedgerAccount, type LedgerEntry, type Posting } from './ledger'
export { LedgerReader } from './ledger-reader'
export { ledgerAdminRoutes, ledgerRoutes } from './routes'
