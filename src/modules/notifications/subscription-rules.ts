import {
  cancellationScheduled,
  planChangeScheduled,
  refundDue,
  scheduledChangeWithdrawn,
  subscriptionCancelled,
  subscriptionCreated,
  subscriptionPaused,
  subscriptionPlanChanged,
  subscriptionRateLimited,
  subscriptionReinstated,
  subscriptionResumed,
  subscriptionSuspended,
  trialEnded,
  trialEnding,
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
    subscriptionRateLimited,
    async (db, { subscriptionId, percent }) => {
      const news = await newsOfSubscription(db, subscriptionId)
      return news && { ...news, facts: { ...news.facts, percent } }
    },
    {
      to: 'consumers',
      mail: ({ api, subscription, percent }) => ({
        subject: `Your rate limits for ${api.name} are lowered`,
        text: [
          `Since invoices are unpaid, your subscription ${subscription.id} to ${api.name} has ${percent} % of its rate limits from now on. If they stay unpaid, its keys are refused next.`,
          'Once they are paid, all of the limits are back by themselves.',
        ],
      }),
    },
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
  rule(
    subscriptionPlanChanged,
    (db, { subscriptionId }) => newsOfSubscription(db, subscriptionId),
    {
      to: 'consumers',
      mail: ({ api, plan, subscription }) => ({
        subject: `Your plan for ${api.name} is ${plan.name} now`,
        text: [
          `Your subscription ${subscription.id} to ${api.name} is on the plan ${plan.name} from now on. Its keys stay the same.`,
          'What the change costs, or gives back, comes with the next invoice.',
        ],
      }),
    },
    { to: 'providers' },
  ),
  rule(
    planChangeScheduled,
    async (db, { subscriptionId, planId, kind, effectiveAt }) => {
      const news = await newsOfSubscription(db, subscriptionId)
      return news && { ...news, facts: { ...news.facts, planId, kind, effectiveAt } }
    },
    {
      to: 'consumers',
      mail: ({ api, subscription, planId, kind, effectiveAt }) => ({
        subject: `Your plan for ${api.name} will change`,
        text: [
          `Your subscription ${subscription.id} to ${api.name} goes over to the plan ${planId} at ${effectiveAt}; GET /pricing/models/${planId} shows it. Its keys stay the same.`,
          kind === 'migration'
            ? `The provider no longer offers the plan that you have. If the new one does not suit you, choose another or cancel (POST /subscriptions/${subscription.id}/cancel) before.`
            : `POST /subscriptions/${subscription.id}/cancel-scheduled-change withdraws that.`,
        ],
      }),
    },
    { to: 'providers' },
  ),
  rule(
    cancellationScheduled,
    async (db, { subscriptionId, effectiveAt }) => {
      const news = await newsOfSubscription(db, subscriptionId)
      return news && { ...news, facts: { ...news.facts, effectiveAt } }
    },
    {
      to: 'consumers',
      mail: ({ api, subscription, effectiveAt }) => ({
        subject: `Your subscription to ${api.name} will end`,
        text: [
          `Your subscription ${subscription.id} to ${api.name} ends at ${effectiveAt}. Until then its keys work as before.`,
          `POST /subscriptions/${subscription.id}/cancel-scheduled-change withdraws that.`,
        ],
      }),
    },
    { to: 'providers' },
  ),
  rule(
    scheduledChangeWithdrawn,
    (db, { subscriptionId }) => newsOfSubscription(db, subscriptionId),
    { to: 'consumers' },
    { to: 'providers' },
  ),
  rule(
    subscriptionPaused,
    (db, { subscriptionId }) => newsOfSubscription(db, subscriptionId),
    {
      to: 'consumers',
      mail: ({ api, subscription }) => ({
        subject: `Your subscription to ${api.name} is paused`,
        text: [
          `The keys of your subscription ${subscription.id} to ${api.name} are refused until you go on with POST /subscriptions/${subscription.id}/resume. Unused time is credited on the next invoice.`,
        ],
      }),
    },
    { to: 'providers' },
  ),
  rule(
    subscriptionResumed,
    (db, { subscriptionId }) => newsOfSubscription(db, subscriptionId),
    {
      to: 'consumers',
      mail: ({ api, subscription }) => ({
        subject: `Your subscription to ${api.name} goes on`,
        text: [
          `The keys of your subscription ${subscription.id} to ${api.name} work again. A new billing period has begun.`,
        ],
      }),
    },
    { to: 'providers' },
  ),
  rule(
    trialEnding,
    async (db, { subscriptionId, endsAt }) => {
      const news = await newsOfSubscription(db, subscriptionId)
      return news && { ...news, facts: { ...news.facts, endsAt } }
    },
    {
      to: 'consumers',
      mail: ({ api, plan, endsAt }) => ({
        subject: `Your trial of ${api.name} ends in three days`,
        text: [
          `Your trial of ${api.name} ends at ${endsAt}. With a payment method it goes on as the plan ${plan.name}; without one its keys are refused from then on.`,
          'POST /payments/methods/setup adds a payment method.',
        ],
      }),
    },
  ),
  rule(
    trialEnded,
    async (db, { subscriptionId, outcome }) => {
      const news = await newsOfSubscription(db, subscriptionId)
      return news && { ...news, facts: { ...news.facts, outcome } }
    },
    {
      to: 'consumers',
      // A suspension is told of by itself.
      mail: ({ api, plan, outcome }) =>
        outcome === 'suspended'
          ? null
          : {
              subject: `Your trial of ${api.name} is over`,
              text: [`From now on you are on the plan ${plan.name}. Your keys stay the same.`],
            },
    },
    { to: 'providers' },
  ),
  rule(
    refundDue,
    async (db, { subscriptionId, amount, currency }) => {
      const news = await newsOfSubscription(db, subscriptionId)
      return news && { consumers: news.consumers, facts: { ...news.facts, amount, currency } }
    },
    { to: 'consumers' },
  ),
]
