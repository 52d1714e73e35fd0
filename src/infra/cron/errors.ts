import { AppError } from '#lib/errors'

export class JobUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'job_unknown'
  constructor(name: string) {
    super(`There is no job named ${name}.`)
  }
}

export class JobRunning extends AppError {
  readonly kind = 'conflict'
  readonly code = 'job_running'
  constructor(name: string) {
    super(`The job ${name} is running already; ask again when it is done.`, { retryAfter: 5 })
  }
}
