import { oneOf, t } from '#infra/http'
import { cycleAfter, type Held } from './held'
import type { Proposal } from './plan-changes'
import { Instant, ProrationModeSchema } from './schemas'

const Amount = t.Integer({ description: 'Minor units, before tax; below 0 for a credit.' })

export const PlanChangePreview = t.Object(
  {
    kind: oneOf(['upgrade', 'downgrade'] as const),
    effectiveAt: Instant,
    prorationMode: ProrationModeSchema,
    currency: t.String(),
    adjustments: t.Array(
      t.Object({
        code: t.String(),
        description: t.String(),
        amount: Amount,
        explain: t.String({ description: 'How the amount was made.' }),
      }),
      { description: 'What comes on the next invoice; empty at the end of a period.' },
    ),
    total: Amount,
    closing: t.Union(
      [
        t.Object({
          flatFee: t.Integer({ description: 'Of the running period, in minor units.' }),
          quota: t.Union([t.Integer(), t.Null()]),
        }),
        t.Null(),
      ],
      { description: 'What the running period is left with; null when it runs to its end.' },
    ),
    opening: t.Object(
      {
        start: Instant,
        end: Instant,
        flatFee: t.Integer({ description: 'Minor units, besides the adjustments.' }),
        quota: t.Union([t.Integer(), t.Null()]),
      },
      { description: 'The first period of the new plan.' },
    ),
  },
  { $id: 'PlanChangePreview' },
)

export function previewView(held: Held, { next, kind, atOnce, effectiveAt }: Proposal) {
  const opening = atOnce?.opening ?? cycleAfter(held, next).opening
  const adjustments = (atOnce?.adjustments ?? []).map((adjustment) => ({
    ...{ ...adjustment, amount: Number(adjustment.amount) },
  }))
  return {
    ...{ kind, effectiveAt: effectiveAt.toISOString(), currency: next.currency, adjustments },
    prorationMode: atOnce?.mode ?? ('next_period' as const),
    total: adjustments.reduce((sum, { amount }) => sum + amount, 0),
    closing: atOnce && {
      flatFee: Number(atOnce.closing.flatFee),
      quota: atOnce.closing.quotaLimit,
    },
    opening: {
      ...{ start: opening.startsAt.toISOString(), end: opening.endsAt.toISOString() },
      ...{ flatFee: Number(opening.flatFee), quota: opening.quotaLimit ?? null },
    },
  }
}
