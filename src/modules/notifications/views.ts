import type { StoredMail } from '#infra/mail'
import type { Delivery, Endpoint } from './webhook.repository'

export function endpointView(endpoint: Endpoint) {
  const { id, url, description, events, status, disabledReason } = endpoint
  return {
    ...{ id, url, description, events, status, disabledReason },
    failingSince: endpoint.failingSince?.toISOString() ?? null,
    oldSecretUntil: endpoint.oldSecretUntil?.toISOString() ?? null,
    createdAt: endpoint.createdAt.toISOString(),
    updatedAt: endpoint.updatedAt.toISOString(),
  }
}

export function deliveryView(delivery: Delivery) {
  const { id, endpointId, messageId, type, state, attempts } = delivery
  const { attemptedAt, durationMs, answerStatus, answerBody, lastError } = delivery
  return {
    ...{ id, endpointId, messageId, type, state, attempts, lastError, body: delivery.body },
    lastAttempt: attemptedAt && {
      ...{ at: attemptedAt.toISOString(), durationMs, answerStatus, answerBody },
    },
    createdAt: delivery.createdAt.toISOString(),
  }
}

export function mailView(mail: StoredMail) {
  const { id, toAddress, subject, text, state, attempts, lastError } = mail
  return {
    ...{ id, to: toAddress, subject, text, state, attempts, lastError },
    sentAt: mail.sentAt?.toISOString() ?? null,
    createdAt: mail.createdAt.toISOString(),
  }
}
