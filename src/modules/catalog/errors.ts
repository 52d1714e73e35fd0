import { AppError } from '#lib/errors'

export class ApiUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'api_unknown'
  constructor(idOrSlug: string) {
    super(`There is no API ${idOrSlug} that you may see.`)
  }
}

export class SlugTaken extends AppError {
  readonly kind = 'conflict'
  readonly code = 'slug_taken'
  constructor(slug: string) {
    super(`The slug ${slug} belongs to another API; choose another one.`, {
      errors: [{ in: 'body', pointer: '/slug', message: 'is taken' }],
    })
  }
}

export class SlugReserved extends AppError {
  readonly kind = 'invalid'
  readonly code = 'slug_reserved'
  constructor(slug: string) {
    super(`The slug ${slug} is kept for Veil itself; choose another one.`, {
      errors: [{ in: 'body', pointer: '/slug', message: 'is reserved' }],
    })
  }
}

export class CategoryUnknown extends AppError {
  readonly kind = 'invalid'
  readonly code = 'category_unknown'
  constructor(slug: string) {
    super(`There is no category ${slug}; GET /categories lists them.`, {
      errors: [{ in: 'body', pointer: '/category', message: 'is not a category' }],
    })
  }
}

export class CategoryNotFound extends AppError {
  readonly kind = 'not_found'
  readonly code = 'category_not_found'
  constructor(id: string) {
    super(`There is no category ${id}.`)
  }
}

export class CategoryTaken extends AppError {
  readonly kind = 'conflict'
  readonly code = 'category_taken'
  constructor(slug: string) {
    super(`There is already a category ${slug}.`)
  }
}

export class CategoryInUse extends AppError {
  readonly kind = 'conflict'
  readonly code = 'category_in_use'
  constructor(id: string) {
    super(`APIs are still listed under ${id}; move them first.`)
  }
}

export class UpstreamRefused extends AppError {
  readonly kind = 'invalid'
  readonly code = 'upstream_refused'
  constructor(reason: string) {
    super(`The upstream cannot be used: ${reason}`, {
      errors: [{ in: 'body', pointer: '/upstreamUrl', message: reason }],
    })
  }
}

/** @param index place of the header in the list, from 0 */
export class RequiredHeaderRefused extends AppError {
  readonly kind = 'invalid'
  readonly code = 'required_header_refused'
  constructor(name: string, index: number, reason: 'twice' | 'reserved') {
    const message = reason === 'twice' ? 'stands there twice' : 'is kept for Veil itself'
    super(`The required header ${name} ${message}.`, {
      errors: [{ in: 'body', pointer: `/requiredHeaders/${index}/name`, message }],
    })
  }
}

export class VersionConflict extends AppError {
  readonly kind = 'precondition_failed'
  readonly code = 'version_conflict'
  constructor(id: string, outdated: number) {
    super(`${id} is no longer at version ${outdated}: read it again, then send your change.`)
  }
}

export class WrongApiStatus extends AppError {
  readonly kind = 'conflict'
  readonly code = 'wrong_api_status'
  constructor(id: string, status: string, wanted: string) {
    super(`${id} is ${status}; this needs it to be ${wanted}.`)
  }
}

export class ApiHasSubscribers extends AppError {
  readonly kind = 'conflict'
  readonly code = 'api_has_subscribers'
  constructor(id: string) {
    super(`${id} has subscriptions and cannot be deleted; unpublish it instead.`)
  }
}

export class NoPlans extends AppError {
  readonly kind = 'conflict'
  readonly code = 'no_plans'
  constructor(id: string) {
    super(`${id} has no plan yet, so nobody could subscribe: POST /provider/apis/${id}/plans.`)
  }
}
