export { type Lease, LeaseLost, Leases } from './leases'
