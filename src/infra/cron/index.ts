export { CronRunner, type CronRunnerOptions } from './cron-runner'
export { JobRunning, JobUnknown } from './errors'
export { defineJob, type Job, type JobCounts } from './job'
export { JobRuns } from './job-runs'
