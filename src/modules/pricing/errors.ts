import { AppError } from '#lib/errors'
import type { Mistake } from './plan-rules'
import { type PromotionRefusal, REFUSALS } from './promotion-conditions'

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

export class PromotionUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'promotion_unknown'
  constructor(code: string) {
    super(`There is no promotion ${code}.`)
  }
}

export class PromotionRefused extends AppError {
  readonly kind = 'conflict'
  readonly code = 'promotion_refused'
  constructor(code: string, reason: PromotionRefusal) {
    super(`${code} cannot be redeemed here: ${REFUSALS[reason]}.`)
  }
}

export class PromotionCodeTaken extends AppError {
  readonly kind = 'conflict'
  readonly code = 'promotion_code_taken'
  constructor(code: string) {
    super(`There is a promotion ${code} already.`)
  }
}

export class PromotionInvalid extends AppError {
  readonly kind = 'invalid'
  readonly code = 'promotion_invalid'
  constructor(mistakes: Mistake[]) {
    super(`The promotion does not hold together: ${mistakes.map(sentenceOf).join('; ')}.`, {
      errors: mistakes.map(({ path, message }) => ({
        ...{ in: 'body', pointer: `/${path.join('/')}`, message },
      })),
    })
  }
}

const sentenceOf = ({ path, message }: Mistake): string => `${path.join('.')} ${message}`

export class NothingToApplyTo extends AppError {
  readonly kind = 'not_found'
  readonly code = 'subscription_not_running'
  constructor(id: string) {
    super(`You have no running subscription ${id}.`)
  }
}

export class SubscriptionNotYours extends AppError {
  readonly kind = 'not_found'
  readonly code = 'subscription_unknown'
  constructor(id: string) {
    super(`You have no subscription ${id}.`)
  }
}
