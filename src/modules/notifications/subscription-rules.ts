import {
  subscriptionCancelled,
  subscriptionCreated,
  subscriptionReinstated,
  subscriptionSuspended,
} from '#modules/subscriptions'
import { newsOfSubscription } from './audience.repository'
import { rule } from './rule'

/** Who is told what of the life of a subscription. */
export const SUBSCRIPTION_RULES = [
  rule(
    subscriptionCreated,
    (db, { subscriptionId }) => newsOfSubscription(db, subscriptionId),
    {
      to: 'consumers',
      mail: ({ api, plan, subscription }) => ({
        subject: `You are subscribed to ${api.name}`,
        text: [
          `Your subscription ${subscription.id} to ${api.name} has begun, on the plan ${plan.name}. Its first key was shown to you when you subscribed; nobody can show it again, but you can make another one at any time.`,
          `GET /subscriptions/${subscription.id}/usage tells what you have used and what it costs.`,
        ],
      }),
    },
    {
      to: 'providers',
      mail: ({ api, plan, subscription }) => ({
        subject: `${api.name} has a new subscriber`,
        text: [
          `Somebody has subscribed to ${api.name}, on the plan ${plan.name}. Calls of this subscriber reach you with the header X-Veil-Subscription-Id: ${subscription.id}.`,
        ],
      }),
    },
  ),
  rule(
    subscriptionSuspended,
    async (db, { subscriptionId, reason }) => {
      const news = await newsOfSubscription(db, subscriptionId)
      return news && { ...news, facts: { ...news.facts, reason } }
    },
    {
      to: 'consumers',
      mail: ({ api, subscription, reason }) => ({
        subject: `Your subscription to ${api.name} is suspended`,
        text: [
          `The keys of your subscription ${subscription.id} to ${api.name} are refused from now on, ${
            reason === 'debt' ? 'since invoices are unpaid' : 'since its trial is over'
          }.`,
          reason === 'debt'
            ? 'Once they are paid, the keys work again by themselves.'
            : `Add a payment method, then POST /subscriptions/${subscription.id}/resume: the same keys work again.`,
        ],
      }),
    },
    { to: 'providers' },
  ),
  rule(
    subscriptionReinstated,
    (db, { subscriptionId }) => newsOfSubscription(db, subscriptionId),
    {
      to: 'consumers',
      mail: ({ api, subscription }) => ({
        subject: `Your subscription to ${api.name} is active again`,
        text: [
          `Everything is paid: the keys of your subscription ${subscription.id} to ${api.name} work without restriction.`,
        ],
      }),
    },
    { to: 'providers' },
  ),
  rule(
    subscriptionCancelled,
    async (db, { subscriptionId, reason }) => {
      const news = await newsOfSubscription(db, subscriptionId)
      return news && { ...news, facts: { ...news.facts, reason } }
    },
    {
      to: 'consumers',
      mail: ({ api, subscription, reason }) => ({
        subject: `Your subscription to ${api.name} has ended`,
        text: [
          `Your subscription ${subscription.id} to ${api.name} has ended${
            {
              asked: '',
              debt: ', since invoices stayed unpaid',
              trial: ', since it was not taken up after its trial',
            }[reason]
          }. Its keys are revoked. What was used until now comes with a last invoice.`,
        ],
      }),
    },
    {
      to: 'providers',
      mail: ({ api, subscription }) => ({
        subject: `${api.name} has lost a subscriber`,
        text: [`The subscription ${subscription.id} to ${api.name} has ended.`],
      }),
    },
  ),
]
