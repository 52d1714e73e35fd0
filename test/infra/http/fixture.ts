import { createHttpApp, IdempotencyStore, RouteGroup, strict, t } from '#infra/http'
import { createLogger } from '#infra/logger'
import { AppError } from '#lib/errors'
import { createSealer } from '#lib/sealing'
import { TestClock } from '#test/clock'
import { freshDatabase, type TestDatabase } from '#test/database'
import { NotAuthenticated } from '../../../src/infra/http/errors'

class Refused extends AppError {
  readonly code = 'refused_on_purpose'
  constructor(
    readonly kind: 'conflict' | 'unavailable' | 'too_many_requests' | 'not_found',
    retryAfter?: number,
  ) {
    super('Refused on purpose.', retryAfter === undefined ? {} : { retryAfter })
  }
}

/** An HTTP app of our own making on a real database: what routes may do, one route for each. */
export class HttpFixture {
  readonly clock = new TestClock()
  readonly logs: string[] = []
  /** How often each name was carried out. */
  readonly runs = new Map<string, number>()
  /** Called inside the handler, before it answers. */
  during: () => Promise<void> = async () => undefined
  url = ''
  private stops: (() => Promise<unknown>)[] = []

  private constructor(readonly database: TestDatabase) {}

  static async start(): Promise<HttpFixture> {
    const fixture = new HttpFixture(await freshDatabase())
    const { clock, database, logs } = fixture
    const sink = { write: (line: string) => void logs.push(line) }
    const app = createHttpApp({
      groups: [fixture.routes()],
      authorize: async (request, access) => {
        const user = request.headers.get('authorization')
        if (access === 'public') return null
        if (!user) throw new NotAuthenticated('token_missing')
        return { userId: `usr_${user}`, sessionId: 'ses_1', roles: ['consumer'] }
      },
      idempotency: new IdempotencyStore(
        database.db,
        createSealer('s'.repeat(32), 'answers'),
        clock,
      ),
      logger: createLogger('info', sink),
      clock,
      info: { title: 'Test', version: '1', description: '', tags: [] },
      maxBodyBytes: 10_000,
    }).listen({ hostname: '127.0.0.1', port: 0 })
    fixture.url = `http://127.0.0.1:${app.server?.port}`
    fixture.stops = [() => app.stop(), () => database.drop()]
    return fixture
  }

  async stop(): Promise<void> {
    for (const stop of this.stops) await stop()
  }

  private async run(name: string): Promise<number> {
    const count = (this.runs.get(name) ?? 0) + 1
    this.runs.set(name, count)
    await this.during()
    return count
  }

  private routes(): RouteGroup {
    const body = strict({
      name: t.String({ minLength: 1 }),
      secret: t.Optional(t.String({ maxLength: 5 })),
    })
    const spec = { permission: 'account:manage', summary: 'x', body, idempotent: true } as const
    const refusing =
      (kind: Refused['kind'], retryAfter?: number) => async (call: { body: { name: string } }) => {
        await this.run(call.body.name)
        throw new Refused(kind, retryAfter)
      }
    return new RouteGroup('/things', 'Things')
      .post(
        '',
        { ...spec, response: t.Object({ run: t.Integer() }), status: 201 },
        async (call) => {
          call.setHeader('x-run', call.body.name)
          return { run: await this.run(call.body.name) }
        },
      )
      .post('/open', { ...spec, permission: 'public' }, async ({ body }) => ({
        run: await this.run(body.name),
      }))
      .post('/gone', { ...spec, status: 204 }, async ({ body }) => void (await this.run(body.name)))
      .post('/conflict', spec, refusing('conflict'))
      .post('/busy', spec, refusing('conflict', 1))
      .post('/away', spec, refusing('unavailable', 2))
      .post('/slow-down', spec, refusing('too_many_requests', 2))
      .post('/broken', spec, async ({ body }) => {
        await this.run(body.name)
        throw new TypeError('the secret is swordfish')
      })
      .get(
        '/wrong-shape',
        { permission: 'public', summary: 'x', response: t.Object({ key: t.Integer() }) },
        () => ({ key: 'veil_swordfish' }) as never,
      )
      .get(
        '/:id',
        { permission: 'public', summary: 'x', params: t.Object({ id: t.String() }) },
        ({ params }) => params,
      )
  }

  send(path: string, options: { key?: string; user?: string; body?: unknown } = {}) {
    const { key, user = 'ada', body = { name: 'x' } } = options
    return fetch(`${this.url}${path}`, {
      method: 'POST',
      headers: {
        ...{ authorization: user, 'content-type': 'application/json' },
        ...(key !== undefined && { 'idempotency-key': key }),
      },
      body: JSON.stringify(body),
    })
  }
}
