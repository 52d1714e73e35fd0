import type { Static, TObject, TSchema } from '@sinclair/typebox'
import type { Access, Actor } from '#lib/access'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

type Empty = TObject<Record<never, never>>

/** Everything there is to know about a route except what it does. `permission` cannot be left out. */
export interface RouteSpec<
  A extends Access,
  P extends TObject = Empty,
  Q extends TObject = Empty,
  B extends TSchema = TSchema,
  R extends TSchema = TSchema,
> {
  permission: A
  summary: string
  description?: string
  params?: P
  query?: Q
  body?: B
  /** Shape of the answer; none for 204 and for answers that are not JSON. */
  response?: R
  /** Status of success; 200 unless stated. */
  status?: 200 | 201 | 202 | 204
  /** Takes `Idempotency-Key`: the first answer is kept 24 h and replayed. */
  idempotent?: boolean
  /** Needs `If-Match` with the version that the caller has read. */
  ifMatch?: boolean
  /** Statuses of the problems it may answer besides those that follow from the rest of the spec. */
  problems?: number[]
  /** Media types when the answer is not JSON. */
  mediaTypes?: readonly string[]
}

/** What a handler gets: checked input and the caller. */
export interface Call<A extends Access, P extends TObject, Q extends TObject, B extends TSchema> {
  actor: A extends 'public' | 'gateway' ? null : Actor
  params: Static<P>
  query: Static<Q>
  body: Static<B>
  request: Request
  /** Address of the peer, or what a trusted proxy says it is. */
  remoteAddress: string
  /** Version from `If-Match`; 0 where the route does not ask for it. */
  expectedVersion: number
  setHeader(name: string, value: string): void
}

export type Handler<
  A extends Access,
  P extends TObject,
  Q extends TObject,
  B extends TSchema,
  R extends TSchema,
> = (call: Call<A, P, Q, B>) => Promise<Static<R> | Response> | Static<R> | Response

/** A route with its types forgotten, as it is mounted and documented. */
export interface Route {
  method: Method
  path: string
  tag: string
  spec: RouteSpec<Access, TObject, TObject>
  handle: Handler<Access, TObject, TObject, TSchema, TSchema>
}

type Add = <
  A extends Access,
  P extends TObject = Empty,
  Q extends TObject = Empty,
  B extends TSchema = TSchema,
  R extends TSchema = TSchema,
>(
  path: string,
  spec: RouteSpec<A, P, Q, B, R>,
  handle: Handler<A, P, Q, B, R>,
) => RouteGroup

/** The routes of one prefix. Reads as a list of sentences: shape in, who may, one verb, shape out. */
export class RouteGroup {
  readonly routes: Route[] = []

  constructor(
    private readonly prefix: string,
    private readonly tag: string,
  ) {}

  get: Add = (path, spec, handle) => this.add('GET', path, spec, handle)
  post: Add = (path, spec, handle) => this.add('POST', path, spec, handle)
  put: Add = (path, spec, handle) => this.add('PUT', path, spec, handle)
  patch: Add = (path, spec, handle) => this.add('PATCH', path, spec, handle)
  delete: Add = (path, spec, handle) => this.add('DELETE', path, spec, handle)

  private add(method: Method, path: string, spec: unknown, handle: unknown): this {
    this.routes.push({
      method,
      path: `${this.prefix}${path}`,
      tag: this.tag,
      spec: spec as Route['spec'],
      handle: handle as Route['handle'],
    })
    return this
  }
}
