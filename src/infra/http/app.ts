import { type Context, Elysia } from 'elysia'
import { currentContext, type Logger, runInContext, setContextUser } from '#infra/logger'
import type { Answered } from '#infra/metrics'
import type { Access, Actor } from '#lib/access'
import type { Clock } from '#lib/clock'
import { AppError } from '#lib/errors'
import { uuidv7 } from '#lib/id'
import { readJson } from './body'
import { InvalidInput, MalformedBody, RouteUnknown } from './errors'
import type { IdempotencyStore } from './idempotency'
import { type OpenApiInfo, openApiDocument } from './openapi'
import { type ProblemParts, partsOf, problemResponse } from './problem'
import { integerReader } from './query'
import type { Route, RouteGroup } from './route'
import { type RawCall, runRoute } from './run-route'
import { mountDocs } from './swagger'
import { toFieldErrors } from './validation'

export interface HttpAppOptions {
  groups: RouteGroup[]
  /** Checks the caller against what the route states; throws the refusal. */
  authorize(request: Request, access: Access): Promise<Actor | null>
  idempotency: IdempotencyStore
  logger: Logger
  clock: Clock
  info: OpenApiInfo
  /** Told of every answer. */
  onAnswered?(answered: Answered): void
  /** Largest body in bytes. */
  maxBodyBytes?: number
}

const MAX_BODY_BYTES = 4 * 1024 * 1024
/** Beyond this Bun hangs up with a bare 413; up to it the answer is a problem like any other. */
const HARD_LIMIT_BYTES = 64 * 1024 * 1024
const INCOMING_REQUEST_ID = /^[\w-]{8,64}$/

const actors = new WeakMap<Request, Actor | null>()
const paths = new WeakMap<Request, string>()
const arrivals = new WeakMap<Request, number>()

/** Bun forgets the address of a request that has been answered: it is read first thing and kept. */
function pathOf(request: Request): string {
  const known = paths.get(request) ?? URL.parse(request.url)?.pathname ?? '/'
  paths.set(request, known)
  return known
}

/** Builds the HTTP app from the route groups: the only place where routes meet Elysia. */
export function createHttpApp(options: HttpAppOptions) {
  const { logger, clock } = options
  const routes = options.groups.flatMap((group) => group.routes)
  /** The checks that were made, to tell the routes that have one from those that have not. */
  const checks = new Set<unknown>()
  const app = new Elysia({
    normalize: false,
    // A schema that cannot be compiled stops the start, not the first request.
    precompile: true,
    serve: { maxRequestBodySize: HARD_LIMIT_BYTES },
  })
    .wrap((handle) => (request: Request) => {
      pathOf(request)
      arrivals.set(request, performance.now())
      const given = request.headers.get('x-request-id') ?? ''
      const requestId = INCOMING_REQUEST_ID.test(given) ? given : uuidv7(clock)
      return runInContext({ requestId }, () => handle(request))
    })
    .onError(({ code, error, request, set }) => {
      const parts = problemParts(code, error, routes, request)
      if (parts.status >= 500) logger.error({ err: rootCause(code, error) }, 'http.failed')
      // For the log; Elysia itself does not look at the status of an answer made here.
      set.status = parts.status
      return problemResponse(parts, whereOf(request))
    })
    .onAfterHandle(({ set }) => {
      set.headers['x-request-id'] = requestId()
      set.headers['x-content-type-options'] = 'nosniff'
    })
    .onAfterResponse(({ request, route, set }) => {
      const { method } = request
      const status = Number(set.status)
      const ms = performance.now() - (arrivals.get(request) ?? performance.now())
      logger.info({ method, path: pathOf(request), status, ms: Math.round(ms) }, 'http.answered')
      options.onAnswered?.({ method, route: route ?? null, status, ms })
    })
    .macro({
      // Runs before the input is checked: a stranger learns nothing about the shapes inside.
      permission: (access: Access) => {
        const transform = ({ request }: { request: Request }) => admit(request, access, options)
        if (access) checks.add(transform)
        return { transform }
      },
    })
  for (const route of routes) mount(app as unknown as Elysia, route, options)
  assertEveryRouteStatesItsPermission(app.routes, checks)
  mountDocs(app as unknown as Elysia, openApiDocument(options.info, routes))
  return app
}

/** Asks once per request who calls and whether they may: before the body is read, if there is one. */
async function admit(request: Request, access: Access, options: HttpAppOptions): Promise<void> {
  if (actors.has(request)) return
  const actor = await options.authorize(request, access)
  if (actor) setContextUser(actor.userId)
  actors.set(request, actor)
}

function mount(app: Elysia, route: Route, options: HttpAppOptions): void {
  const { spec } = route
  const parse = async ({ request }: { request: Request }) => {
    await admit(request, spec.permission, options)
    return readJson(request, options.maxBodyBytes ?? MAX_BODY_BYTES)
  }
  const hook = {
    permission: spec.permission,
    ...(spec.params && { params: spec.params }),
    ...(spec.query && { query: spec.query, transform: integerReader(spec.query) }),
    ...(spec.body ? { body: spec.body, parse } : { parse: 'none' }),
    ...(spec.response && { response: { [spec.status ?? 200]: spec.response } }),
  }
  const handle = ({ params, query, body, request, server, set }: Context) =>
    runRoute(route, options.idempotency, {
      actor: actors.get(request) ?? null,
      params: params as Record<string, never>,
      query: query as Record<string, never>,
      body,
      request,
      remoteAddress: server?.requestIP(request)?.address ?? '127.0.0.1',
      set: set as RawCall['set'],
    })
  app.route(route.method, route.path, handle as never, hook as never)
}

/** The compiler asks for a permission; this catches what goes around the compiler. */
function assertEveryRouteStatesItsPermission(
  mounted: { method: string; path: string; hooks: unknown }[],
  checks: Set<unknown>,
): void {
  for (const { method, path, hooks } of mounted) {
    // Elysia puts what a macro makes in the place of the macro's name.
    const { transform = [] } = hooks as { transform?: { fn: unknown }[] }
    if (!transform.some(({ fn }) => checks.has(fn)))
      throw new Error(`route ${method} ${path} states no permission`)
  }
}

const requestId = (): string => currentContext()?.requestId ?? ''

const whereOf = (request: Request) => ({
  instance: pathOf(request),
  requestId: requestId(),
})

function problemParts(
  code: string | number,
  error: unknown,
  routes: Route[],
  request: Request,
): ProblemParts {
  const refusal = code === 'PARSE' ? (error as Error).cause : error
  if (refusal instanceof AppError) return partsOf(refusal)
  if (code === 'VALIDATION') {
    const { type, all } = error as { type?: string; all?: Iterable<{ path?: string }> }
    // A wrong answer of ours is our fault, and says nothing about the data.
    if (type !== 'response') return partsOf(new InvalidInput(toFieldErrors(type, all ?? [])))
  }
  if (code === 'PARSE') return partsOf(new MalformedBody())
  if (code === 'NOT_FOUND') return unknownRoute(routes, pathOf(request))
  return {
    status: 500,
    code: 'internal_error',
    detail: 'Something went wrong on our side; it has been logged under this request id.',
  }
}

/** Another method of the same path is 405 with Allow (RFC 9110 §15.5.6), anything else 404. */
function unknownRoute(routes: Route[], pathname: string): ProblemParts {
  const form = (path: string) => new RegExp(`^${path.replaceAll(/:[^/]+/g, '[^/]+')}$`)
  const allowed = routes.filter((route) => form(route.path).test(pathname))
  if (allowed.length === 0) return partsOf(new RouteUnknown())
  // Elysia answers HEAD where there is a GET.
  const methods = allowed.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
  const allow = [...new Set(methods)].join(', ')
  return {
    status: 405,
    code: 'method_not_allowed',
    detail: `This path takes ${allow}.`,
    headers: { allow },
  }
}

/**
 * What may be logged of an error. Drizzle's message holds the query and its parameters, and that of a
 * wrong answer the whole answer, in which there may be a key.
 */
function rootCause(code: string | number, error: unknown): unknown {
  if (code === 'VALIDATION') {
    const { all } = error as { all?: Iterable<{ path?: string }> }
    const places = toFieldErrors('response', all ?? []).map(({ pointer }) => pointer || '/')
    return new Error(`the answer does not have its documented shape at ${places.join(', ')}`)
  }
  const wrapped = error instanceof Error && error.constructor.name === 'DrizzleQueryError'
  return wrapped ? (error.cause ?? new Error('query failed')) : error
}
