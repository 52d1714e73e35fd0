import { limitExpected } from '#modules/billing'
import { apiPublished, apiRemoved } from '#modules/catalog'
import { keyCreated, keyRevoked, keyRotated, keyRotationDue } from '#modules/keys'
import { pricingFileBroken } from '#modules/pricing'
import { quotaThresholdReached } from '#modules/quota'
import { usageGapDetected } from '#modules/usage'
import {
  admins,
  newsOfKey,
  newsOfSubscription,
  personOf,
  subscribersOf,
} from './audience.repository'
import { INVOICE_RULES } from './invoice-rules'
import { PAYMENT_RULES } from './payment-rules'
import { rule } from './rule'
import { SUBSCRIPTION_RULES } from './subscription-rules'

const WORD_OF_LIMIT = { quota: 'quota', 'spend-cap': 'spend cap' }

/** Who is told what of which event: the whole list. Webhooks of all concerned get the facts. */
export const RULES = [
  rule(
    apiPublished,
    async (db, { apiId: id, ownerId, slug, name }) => ({
      facts: { api: { id, slug, name } },
      providers: await personOf(db, ownerId),
    }),
    { to: 'providers' },
  ),
  rule(
    apiRemoved,
    async (db, { apiId: id, ownerId, slug, name }) => ({
      facts: { api: { id, slug, name } },
      providers: await personOf(db, ownerId),
      consumers: await subscribersOf(db, id),
    }),
    { to: 'providers' },
    {
      to: 'consumers',
      mail: ({ api }) => ({
        subject: `${api.name} was taken offline`,
        text: [
          `${api.name} was taken off the marketplace. From now on calls to /${api.slug} are answered with 404.`,
          'Your subscription and its keys stay as they are: they work again as soon as the API is back.',
        ],
      }),
    },
  ),
  ...SUBSCRIPTION_RULES,
  rule(
    keyCreated,
    async (db, { keyId, isFirst }) => {
      const news = await newsOfKey(db, keyId)
      return news && { ...news, facts: { ...news.facts, isFirst } }
    },
    {
      to: 'consumers',
      // The first key is part of the news that the subscription has begun.
      mail: ({ api, key, isFirst }) =>
        isFirst
          ? null
          : {
              subject: `A new key for ${api.name}`,
              text: [
                `A key named "${key.name}", ending in ${key.lastFour}, was made for your subscription to ${api.name}.`,
                `If that was not you, revoke it (POST /api-keys/${key.id}/revoke) and change your password.`,
              ],
            },
    },
  ),
  rule(keyRevoked, (db, { keyId }) => newsOfKey(db, keyId), {
    to: 'consumers',
    mail: ({ api, key }) => ({
      subject: `A key for ${api.name} was revoked`,
      text: [
        `The key named "${key.name}", ending in ${key.lastFour}, is refused from now on.`,
        'If that was not you, change your password, then make a new key.',
      ],
    }),
  }),
  rule(
    keyRotated,
    async (db, { keyId, successorId, endsAt }) => {
      const [news, successor] = [await newsOfKey(db, keyId), await newsOfKey(db, successorId)]
      if (!news || !successor) return null
      return { ...news, facts: { ...news.facts, successor: successor.facts.key, endsAt } }
    },
    {
      to: 'consumers',
      mail: ({ api, key, successor, endsAt }) => ({
        subject: `A key for ${api.name} has a successor`,
        text: [
          `The key named "${key.name}", ending in ${key.lastFour}, was replaced by one ending in ${successor.lastFour}. The old one is refused from ${endsAt} on, or earlier once it has had no call for 24 hours while its successor had some.`,
          `If that was not you, revoke both (POST /api-keys/${successor.id}/revoke) and change your password.`,
        ],
      }),
    },
  ),
  rule(
    keyRotationDue,
    async (db, { keyId, daysLeft, dueAt }) => {
      const news = await newsOfKey(db, keyId)
      return news && { ...news, facts: { ...news.facts, daysLeft, dueAt } }
    },
    {
      to: 'consumers',
      mail: ({ api, key, daysLeft, dueAt }) => ({
        subject:
          daysLeft === 0
            ? `A key for ${api.name} should have been rotated`
            : `A key for ${api.name} should be rotated within ${daysLeft} ${daysLeft === 1 ? 'day' : 'days'}`,
        text: [
          `You wanted to rotate the key named "${key.name}", ending in ${key.lastFour}, by ${dueAt}. It goes on working; nobody but you can rotate it, since its successor is shown once, to whoever asks for it.`,
          `POST /api-keys/${key.id}/rotate makes the successor; both work for a week.`,
        ],
      }),
    },
  ),
  rule(
    quotaThresholdReached,
    async (db, { subscriptionId, threshold, units, included }) => {
      const news = await newsOfSubscription(db, subscriptionId)
      if (!news) return null
      return { consumers: news.consumers, facts: { ...news.facts, threshold, units, included } }
    },
    {
      to: 'consumers',
      mail: ({ api, subscription, threshold, units, included }) => ({
        subject: `${threshold} % of your quota for ${api.name} is used`,
        text: [
          `Your subscription ${subscription.id} to ${api.name} has used ${units} of ${included} calls of this billing period.`,
          `GET /subscriptions/${subscription.id}/usage tells what happens beyond, and when the next period begins.`,
        ],
      }),
    },
  ),
  rule(
    limitExpected,
    async (db, { subscriptionId, billingPeriodId: _, ...forecast }) => {
      const news = await newsOfSubscription(db, subscriptionId)
      return news && { consumers: news.consumers, facts: { ...news.facts, ...forecast } }
    },
    {
      to: 'consumers',
      mail: ({ api, subscription, limit, used, allowed, expectedAt, periodEnd }) => ({
        subject: `Your ${WORD_OF_LIMIT[limit]} for ${api.name} will not last`,
        text: [
          `Your subscription ${subscription.id} to ${api.name} has used ${used} of the ${allowed} calls that its ${WORD_OF_LIMIT[limit]} allows. If it goes on like this, the rest is used up at ${expectedAt}; the billing period ends at ${periodEnd}.`,
          `GET /subscriptions/${subscription.id}/usage tells what it will come to.`,
        ],
      }),
    },
  ),
  rule(usageGapDetected, async (db, gap) => ({ facts: gap, admins: await admins(db) }), {
    to: 'admins',
    mail: ({ gatewayId, first, last, since }) => ({
      subject: `Usage of ${gatewayId} is missing`,
      text: [
        `The calls ${first} to ${last} of the gateway ${gatewayId} have not arrived; this was noticed at ${since}. The gateway was asked to send them again from its log.`,
        'GET /usage/completeness tells whether they came, or can no longer be found.',
      ],
    }),
  }),
  rule(pricingFileBroken, async (db, facts) => ({ facts, admins: await admins(db) }), {
    to: 'admins',
    mail: ({ file, mistakes }) => ({
      subject: 'The prices were changed and are wrong',
      text: [
        `${file} was changed and is wrong, so the prices of before stay in force:`,
        ...mistakes,
        'It is read again as soon as it changes. `npm run pricing -- check` tells the same at any time.',
      ],
    }),
  }),
  ...INVOICE_RULES,
  ...PAYMENT_RULES,
]

/** What an endpoint may ask to be told of. */
export const WEBHOOK_EVENTS = RULES.map(({ event }) => event.name)
