export { quotaRoutes } from './routes'
export { QuotaView } from './schemas'
export { QuotaService, quotaView } from './service'
