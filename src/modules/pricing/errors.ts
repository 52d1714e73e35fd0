import { AppError } from '#lib/errors'

export class PlanUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'plan_unknown'
  constructor(id: string) {
    super(`There is no plan ${id} here.`)
  }
}

export class PlanSlugTaken extends AppError {
  readonly kind = 'conflict'
  readonly code = 'plan_slug_taken'
  constructor(slug: string) {
    super(`This API has a plan ${slug} already: PUT it for a new version, or choose another slug.`)
  }
}

export class PlanInvalid extends AppError {
  readonly kind = 'invalid'
  readonly code = 'plan_invalid'
  constructor(errors: { pointer: string; message: string }[]) {
    super(`The plan does not hold together: ${errors.map(({ message }) => message).join('; ')}.`, {
      errors: errors.map((error) => ({ in: 'body', ...error })),
    })
  }
}
