import type { Static } from '@sinclair/typebox'
import { MAIL_STATES } from '#db/schema/mail'
import { DELIVERY_STATES, DISABLED_REASONS, ENDPOINT_STATUSES } from '#db/schema/notifications'
import { oneOf, PageQuery, pageOf, strict, t } from '#infra/http'
import { WEBHOOK_EVENTS } from './rules'

const Instant = t.String({ format: 'date-time' })
const InstantOrNull = t.Union([Instant, t.Null()])
const TextOrNull = t.Union([t.String(), t.Null()])

const Url = t.String({ maxLength: 500, examples: ['https://example.com/hooks/veil'] })
const Description = t.String({ maxLength: 200 })
const Events = t.Union(
  [t.Array(oneOf(WEBHOOK_EVENTS), { minItems: 1, uniqueItems: true }), t.Null()],
  { description: 'What to be told of; null for everything, also what later releases add.' },
)

export const EndpointBody = strict(
  { url: Url, description: t.Optional(Description), events: t.Optional(Events) },
  {
    $id: 'WebhookEndpointInput',
    examples: [{ url: 'https://example.com/hooks/veil', events: ['key.created', 'key.revoked'] }],
  },
)
export type EndpointInput = Static<typeof EndpointBody>

export const EndpointUpdateBody = strict(
  {
    url: t.Optional(Url),
    description: t.Optional(Description),
    events: t.Optional(Events),
    status: t.Optional(oneOf(ENDPOINT_STATUSES)),
  },
  { $id: 'WebhookEndpointUpdate', minProperties: 1, examples: [{ status: 'active' }] },
)
export type EndpointUpdate = Static<typeof EndpointUpdateBody>

export const EndpointView = t.Object(
  {
    id: t.String({ examples: ['whe_0192f7a0c1d47c3e8f00a1b2c3d4e5f6'] }),
    url: t.String(),
    description: t.String(),
    events: t.Union([t.Array(t.String()), t.Null()]),
    status: oneOf(ENDPOINT_STATUSES),
    disabledReason: t.Union([oneOf(DISABLED_REASONS), t.Null()], {
      description: '`gone`: it answered 410. `failing`: five days of nothing but failures.',
    }),
    failingSince: t.Union([Instant, t.Null()], {
      description: 'First failure since the last success.',
    }),
    oldSecretUntil: t.Union([Instant, t.Null()], {
      description: 'Until then messages are also signed with the secret before this one.',
    }),
    createdAt: Instant,
    updatedAt: Instant,
  },
  { $id: 'WebhookEndpoint' },
)
export const EndpointPage = pageOf(EndpointView)

export const EndpointWithSecretView = t.Object(
  {
    ...EndpointView.properties,
    secret: t.String({
      description: 'Checks our signatures (`whsec_…`). It is shown now and never again.',
    }),
  },
  { $id: 'WebhookEndpointWithSecret' },
)

export const DeliveryView = t.Object(
  {
    id: t.String({ examples: ['whd_0192f7a0c1d47c3e8f00a1b2c3d4e5f6'] }),
    endpointId: t.String(),
    messageId: t.String({ description: 'The header `webhook-id`, the same in every attempt.' }),
    type: t.String(),
    body: t.String({ description: 'The message itself, JSON.' }),
    state: oneOf(DELIVERY_STATES),
    attempts: t.Integer(),
    lastError: t.Union([t.String(), t.Null()], {
      description: 'Why there was no answer, or no attempt.',
    }),
    lastAttempt: t.Union([
      t.Object({
        at: Instant,
        durationMs: t.Union([t.Integer(), t.Null()]),
        answerStatus: t.Union([t.Integer(), t.Null()]),
        answerBody: t.Union([t.String(), t.Null()], { description: 'Its first 2,000 bytes.' }),
      }),
      t.Null(),
    ]),
    createdAt: Instant,
  },
  { $id: 'WebhookDelivery' },
)
export const DeliveryPage = pageOf(DeliveryView)

export const EndpointParams = t.Object({
  id: t.String({ description: 'Id of a webhook endpoint.' }),
})
export const DeliveryParams = t.Object({ id: t.String({ description: 'Id of a delivery.' }) })

export const MailView = t.Object(
  {
    id: t.String({ examples: ['mail_0192f7a0c1d47c3e8f00a1b2c3d4e5f6'] }),
    to: t.String(),
    subject: t.String(),
    text: t.String(),
    state: oneOf(MAIL_STATES, { description: '`kept`: no mail server is set (SMTP_URL).' }),
    attempts: t.Integer(),
    lastError: TextOrNull,
    sentAt: InstantOrNull,
    createdAt: Instant,
  },
  { $id: 'Mail' },
)
export const MailPage = pageOf(MailView)
export const MailQuery = t.Object({ ...PageQuery, state: t.Optional(oneOf(MAIL_STATES)) })
export const MailParams = t.Object({ id: t.String({ description: 'Id of a mail.' }) })
