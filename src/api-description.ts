import type { HttpAppOptions } from '#infra/http'
import packageJson from '../package.json' with { type: 'json' }

/** The words of the API document that belong to no single route; tags in the order of a first visit. */
export const apiDescription: HttpAppOptions['info'] = {
  title: 'Veil',
  version: packageJson.version,
  description: `A self-hosted API marketplace: providers list APIs, consumers subscribe and get keys, calls go
through the gateway, every call is metered and priced.

**To try it here:** \`POST /auth/register\` with the roles \`provider\` and \`consumer\`, copy
\`accessToken\` from the answer, press **Authorize** and paste it under *bearer*.

Every error is \`application/problem+json\` (RFC 9457) with a stable \`code\`. Lists are paged by cursor:
\`?limit=20&cursor=…\` → \`{items, nextCursor}\`. Money is an integer of minor units (cents) with a
currency. Times are RFC 3339 in UTC; periods are half-open, \`[start, end)\`.`,
  tags: [
    { name: 'Identity', description: 'Accounts, sessions and access tokens' },
    { name: 'Marketplace', description: 'Find published APIs and subscribe to them' },
    { name: 'Provider', description: 'List APIs, give them plans, publish them at the gateway' },
    { name: 'Subscriptions', description: 'What you subscribed to and what it costs so far' },
    { name: 'API keys', description: 'Make, list and revoke the keys of your subscriptions' },
    { name: 'Usage', description: 'Calls, counted; and the ledger that gateways report to' },
    { name: 'Quota', description: 'What is left of the running period' },
    { name: 'Invoices', description: 'Your invoices and the periods that they are for' },
    { name: 'Payments', description: 'Cards, payments, your credit and what was booked for you' },
    { name: 'Webhooks', description: 'Be told of events at an address of yours' },
    { name: 'Pricing', description: 'Plan templates, public plans and a price calculator' },
    { name: 'Categories', description: 'The shelves of the marketplace, kept by admins' },
    { name: 'Takedowns', description: 'APIs that must not be offered, for admins' },
    { name: 'Gateways', description: 'The gateways, and where they differ, for admins' },
    { name: 'Jobs', description: 'Recurring work, for admins' },
    { name: 'Sandbox', description: 'A clock to be moved forward, for admins of a sandbox' },
    { name: 'Queue', description: 'The event queue and what was given up, for admins' },
    { name: 'Admin', description: 'For those who run this marketplace' },
    { name: 'System', description: 'Health, and the public keys of access tokens' },
  ],
}
