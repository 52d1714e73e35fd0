import type { Static } from '@sinclair/typebox'
import { KEY_STATUSES } from '#db/schema/keys'
import { NAME_PATTERN, oneOf, PageQuery, pageOf, strict, t } from '#infra/http'

const Instant = t.String({ format: 'date-time' })
const InstantOrNull = t.Union([Instant, t.Null()])

const Limits = {
  expiresAt: t.Union([Instant, t.Null()], {
    description: 'The gateway refuses the key from then on; null: never.',
  }),
  operations: t.Array(t.String({ maxLength: 500 }), {
    maxItems: 50,
    description:
      '`METHOD /path`, the path as callers write it behind the API. `*` stands for any method or one part of the path, `/**` at the end for everything below. Empty: all.',
    examples: [['GET /cities/*', '* /reports/**']],
  }),
  addresses: t.Array(t.String({ maxLength: 50 }), {
    maxItems: 50,
    description: 'Addresses and CIDR ranges, IPv4 and IPv6, that calls may come from. Empty: all.',
    examples: [['192.0.2.7', '2001:db8::/32']],
  }),
  rotateAfterDays: t.Union([t.Integer({ minimum: 1, maximum: 3_650 }), t.Null()], {
    description: 'You are reminded to rotate the key when it is so many days old; null: never.',
  }),
}
export type KeyLimitsInput = Static<ReturnType<typeof t.Object<typeof Limits>>>

export const KeyView = t.Object(
  {
    id: t.String({ examples: ['key_9ZkP2mQx7LbT'] }),
    subscriptionId: t.String(),
    apiId: t.String(),
    name: t.String(),
    lastFour: t.String({ description: 'The last four characters, to tell keys apart.' }),
    status: oneOf(KEY_STATUSES, {
      description:
        'failed_sync: the gateway was away; the key begins to work as soon as it is back. rotating: it has a successor, and works until `expiresAt`.',
    }),
    ...Limits,
    rotationDueAt: t.Union([Instant, t.Null()], {
      description: 'When its owner wanted to have rotated it; in the past: overdue.',
    }),
    predecessorId: t.Union([t.String(), t.Null()], {
      description: 'The key that it was made to succeed.',
    }),
    revokedAt: InstantOrNull,
    createdAt: Instant,
  },
  { $id: 'ApiKey' },
)
export const KeyPage = pageOf(KeyView)

export const NewKeyView = t.Object(
  {
    ...KeyView.properties,
    key: t.String({ description: 'The key itself. It is shown now and never again.' }),
  },
  { $id: 'NewApiKey' },
)

const Name = t.String({
  pattern: NAME_PATTERN,
  maxLength: 100,
  description: 'a name without control characters',
})

export const KeyBody = strict(
  {
    subscriptionId: t.String(),
    name: Name,
    expiresAt: t.Optional(Limits.expiresAt),
    operations: t.Optional(Limits.operations),
    addresses: t.Optional(Limits.addresses),
    rotateAfterDays: t.Optional(Limits.rotateAfterDays),
  },
  {
    $id: 'ApiKeyInput',
    examples: [
      {
        subscriptionId: 'sub_0192f7a0c1d47c3e8f00a1b2c3d4e5f6',
        name: 'production',
        operations: ['GET /cities/*'],
      },
    ],
  },
)
export type KeyInput = Static<typeof KeyBody>

/** Nothing may be left out: a key must not lose its limits because somebody gave it another name. */
export const KeyChangeBody = strict(
  { name: Name, ...Limits },
  {
    $id: 'ApiKeyChange',
    examples: [
      {
        name: 'production',
        expiresAt: null,
        operations: ['GET /cities/*'],
        addresses: ['192.0.2.0/24'],
        rotateAfterDays: 90,
      },
    ],
  },
)
export type KeyChange = Static<typeof KeyChangeBody>

export const RotateBody = strict(
  {
    graceDays: t.Integer({
      minimum: 0,
      maximum: 30,
      default: 7,
      description: 'For so many days both keys work.',
    }),
  },
  { $id: 'ApiKeyRotation', examples: [{ graceDays: 7 }] },
)

export const KeyQuery = t.Object({
  ...PageQuery,
  subscriptionId: t.Optional(t.String({ description: 'Only keys of this subscription.' })),
})
export const KeyParams = t.Object({ id: t.String({ description: 'Id of a key.' }) })
