import { RouteGroup, t } from '#infra/http'
import type { JobService } from './jobs-service'

const Instant = t.String({ format: 'date-time' })
const Counts = t.Record(t.String(), t.Number(), { description: 'What it did.' })
const JobParams = t.Object({ name: t.String({ examples: ['gateway-reconcile'] }) })

const JobView = t.Object(
  {
    name: t.String(),
    schedule: t.String({
      description: 'A cron pattern in UTC, with seconds if it has six fields.',
    }),
    nextAt: Instant,
    lastRun: t.Union([
      t.Object({
        at: Instant,
        ms: t.Integer(),
        counts: t.Union([Counts, t.Null()]),
        error: t.Union([t.String(), t.Null()]),
      }),
      t.Null(),
    ]),
    runs: t.Integer(),
    failures: t.Integer(),
  },
  { $id: 'Job' },
)

export const jobRoutes = (jobs: JobService) =>
  new RouteGroup('/admin/jobs', 'Jobs')
    .get(
      '',
      {
        permission: 'jobs:manage',
        summary: 'Recurring jobs, with how their last run went',
        response: t.Array(JobView),
      },
      () => jobs.list(),
    )
    .post(
      '/:name/run',
      {
        permission: 'jobs:manage',
        summary: 'Run a job now',
        params: JobParams,
        response: t.Object({ counts: Counts }, { $id: 'JobOutcome' }),
        problems: [404, 409],
      },
      ({ actor, params }) => jobs.run(actor, params.name),
    )
