export interface SeenCall {
  method: string
  /** Path and query. */
  target: string
  headers: Record<string, string>
  body: string
}

/** The provider's own server: it answers everything and remembers what it was asked. */
export function startUpstream() {
  const calls: SeenCall[] = []
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url)
      const headers = Object.fromEntries(request.headers)
      const body = await request.text()
      calls.push({ method: request.method, target: pathname + search, headers, body })
      return Response.json({ forecast: 'sunny', degrees: 21 })
    },
  })
  return { calls, url: `http://127.0.0.1:${server.port}/v1`, stop: () => server.stop(true) }
}

export type Upstream = ReturnType<typeof startUpstream>
