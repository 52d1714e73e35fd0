import { AppError } from '#lib/errors'

export class WebhookEndpointUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'webhook_endpoint_unknown'
  constructor(id: string) {
    super(`You have no webhook endpoint ${id}.`)
  }
}

export class WebhookDeliveryUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'webhook_delivery_unknown'
  constructor(id: string) {
    super(`There is no delivery ${id} to an endpoint of yours.`)
  }
}

export class WebhookUrlRefused extends AppError {
  readonly kind = 'invalid'
  readonly code = 'webhook_url_refused'
  constructor(reason: string) {
    super(`Webhooks cannot be sent there: ${reason}.`, {
      errors: [{ in: 'body', pointer: '/url', message: reason }],
    })
  }
}

export class WebhookEndpointsFull extends AppError {
  readonly kind = 'conflict'
  readonly code = 'webhook_endpoints_full'
  constructor(most: number) {
    super(`You have ${most} webhook endpoints, which is the most; delete one first.`)
  }
}

export class WebhookEndpointOff extends AppError {
  readonly kind = 'conflict'
  readonly code = 'webhook_endpoint_off'
  constructor(id: string) {
    super(`${id} is disabled; PATCH its status to active first.`)
  }
}

export class MailUnknown extends AppError {
  readonly kind = 'not_found'
  readonly code = 'mail_unknown'
  constructor(id: string) {
    super(`There is no mail ${id}.`)
  }
}
