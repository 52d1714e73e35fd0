export { keysOfSubscriptions } from './issue'
export { keyRoutes } from './routes'
export { KeyParams } from './schemas'
export { KeyService } from './service'
