import { oneOf, PageQuery, pageOf, pageRequest, RouteGroup, t } from '#infra/http'
import type { Dunning } from './dunning'

const Instant = (description: string) => t.String({ format: 'date-time', description })

const DebtView = t.Object(
  {
    invoiceId: t.String({ examples: ['inv_0192f7a0c1d47c3e8f00a1b2c3d4e5f6'] }),
    number: t.Union([t.String(), t.Null()]),
    userId: t.String(),
    subscriptionId: t.Union([t.String(), t.Null()]),
    currency: t.String(),
    amountDue: t.Integer({ description: 'Minor units.' }),
    startedAt: Instant('Day 0: the first decline, or the due date where that came first.'),
    step: oneOf(['past_due', 'softened', 'suspended', 'cancelled'], {
      description: 'How far this debt alone leads; a subscription follows its oldest one.',
    }),
    attempts: t.Integer({ description: 'Payments that were tried.' }),
    failureCode: t.Union([t.String(), t.Null()], { description: 'Why the last card failed.' }),
    nextTryAt: t.Union([t.String({ format: 'date-time' }), t.Null()], {
      description: 'Null where no card is tried again by itself.',
    }),
    suspendsAt: Instant('From when on calls are refused.'),
    endsAt: Instant('When the subscription ends and the invoice is given up.'),
  },
  { $id: 'Debt' },
)

export const dunningRoutes = (dunning: Dunning) =>
  new RouteGroup('/admin/dunning', 'Admin').get(
    '',
    {
      permission: 'billing:audit',
      summary: 'Who is in dunning: how far, and what comes next; newest invoice first',
      query: t.Object(PageQuery),
      response: pageOf(DebtView),
    },
    ({ query }) => dunning.list(pageRequest(query, 'inv')),
  )
