/** The parts of Caddy's JSON configuration that Veil writes; options of handlers and matchers stay open. */
export interface CaddyHandler {
  handler: string
  [option: string]: unknown
}

/** A set of matchers that must all agree. */
export type CaddyMatcher = Record<string, unknown>

export interface CaddyRoute {
  '@id'?: string
  /** Of the routes with one group name only the first that matches runs; the name is global to the request. */
  group?: string
  match?: CaddyMatcher[]
  handle: CaddyHandler[]
}

/** The value of `apps.http.servers.veil`. */
export interface CaddyServer {
  listen?: string[]
  routes?: CaddyRoute[]
  [option: string]: unknown
}
