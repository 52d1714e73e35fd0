import { RouteGroup, readText } from '#infra/http'
import { ReceivedView } from './schemas'
import type { StripeInbox } from './stripe-inbox'

/** Stripe's events are a few kilobytes. */
const LARGEST_EVENT_BYTES = 512 * 1024

export const stripeInboxRoutes = (inbox: StripeInbox) =>
  new RouteGroup('/payments/webhooks', 'Payments').post(
    '/stripe',
    {
      permission: 'public',
      summary: 'Where Stripe tells what happened',
      description:
        'The body is an event of Stripe, signed in `Stripe-Signature`. It is stored before this answers; an event that came before changes nothing.',
      response: ReceivedView,
      problems: [400, 409, 413],
    },
    async ({ request }) => {
      const body = await readText(request, LARGEST_EVENT_BYTES)
      await inbox.receive(body, request.headers.get('stripe-signature') ?? '')
      return { received: true as const }
    },
  )
