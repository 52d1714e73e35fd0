export { keyCreated, keyRevoked } from './events'
export { keysOfSubscriptions } from './issue'
export { keyRoutes } from './routes'
export { KeyService } from './service'
