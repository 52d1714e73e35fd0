import type { Static } from '@sinclair/typebox'
import { KEY_STATUSES } from '#db/schema/keys'
import { NAME_PATTERN, oneOf, PageQuery, pageOf, strict, t } from '#infra/http'

const Instant = t.String({ format: 'date-time' })

export const KeyView = t.Object(
  {
    id: t.String({ examples: ['key_9ZkP2mQx7LbT'] }),
    subscriptionId: t.String(),
    apiId: t.String(),
    name: t.String(),
    lastFour: t.String({ description: 'The last four characters, to tell keys apart.' }),
    status: oneOf(KEY_STATUSES, {
      description:
        'failed_sync: the gateway was away; the key begins to work as soon as it is back.',
    }),
    expiresAt: t.Union([Instant, t.Null()]),
    revokedAt: t.Union([Instant, t.Null()]),
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

export const KeyBody = strict(
  {
    subscriptionId: t.String(),
    name: t.String({
      pattern: NAME_PATTERN,
      maxLength: 100,
      description: 'a name without control characters',
    }),
  },
  {
    $id: 'ApiKeyInput',
    examples: [{ subscriptionId: 'sub_0192f7a0c1d47c3e8f00a1b2c3d4e5f6', name: 'production' }],
  },
)
export type KeyInput = Static<typeof KeyBody>

export const KeyQuery = t.Object({
  ...PageQuery,
  subscriptionId: t.Optional(t.String({ description: 'Only keys of this subscription.' })),
})
export const KeyParams = t.Object({ id: t.String({ description: 'Id of a key.' }) })
