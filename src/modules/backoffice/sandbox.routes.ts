import { RouteGroup, strict, t } from '#infra/http'
import type { SandboxService } from './sandbox-service'

const Instant = t.String({ format: 'date-time' })

const ClockView = t.Object(
  {
    now: Instant,
    offsetSeconds: t.Integer({ description: "How far it is ahead of the machine's clock." }),
  },
  { $id: 'SandboxClock' },
)

const ClockBody = t.Union(
  [
    strict({ now: Instant }),
    strict({ advanceSeconds: t.Integer({ minimum: 1, maximum: 10 * 366 * 86_400 }) }),
  ],
  { $id: 'SandboxClockInput', examples: [{ advanceSeconds: 31 * 86_400 }] },
)

const ONLY_THERE = 'Only where Veil runs with `VEIL_SANDBOX=true`; elsewhere 409 `sandbox_off`.'

export const sandboxRoutes = (sandbox: SandboxService) =>
  new RouteGroup('/admin/sandbox', 'Sandbox')
    .get(
      '/clock',
      {
        permission: 'sandbox:manage',
        summary: 'What time it is in the sandbox',
        description: ONLY_THERE,
        response: ClockView,
        problems: [409],
      },
      () => sandbox.read(),
    )
    .post(
      '/clock',
      {
        permission: 'sandbox:manage',
        summary: 'Move the clock of the sandbox forward',
        description:
          `${ONLY_THERE} All processes follow within a moment, and jobs do at their next run what has ` +
          'come due: `POST /admin/jobs/{name}/run` runs one at once. Access tokens age as well: sign in ' +
          'again after a leap.',
        body: ClockBody,
        response: ClockView,
        problems: [409],
      },
      ({ actor, body }) => sandbox.move(actor, body),
    )
