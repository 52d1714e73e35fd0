export { jobRoutes } from './jobs.routes'
export { JobService } from './jobs-service'
export { queueRoutes } from './queue.routes'
export { QueueService } from './queue-service'
