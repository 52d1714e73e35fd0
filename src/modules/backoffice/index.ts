export { queueRoutes } from './queue.routes'
export { QueueService } from './queue-service'
