import type { Sql } from 'postgres'

type Node = Record<string, unknown>

/**
 * Where database and gateway disagree, and what is not settled; empty when all is well. Reads the
 * gateway's own configuration and plain SQL, and nothing of the code that is being tested.
 */
export async function disagreements(sql: Sql, adminUrl: string): Promise<string[]> {
  const [served, wanted, unsettled] = await Promise.all([
    servedApis(adminUrl),
    wantedApis(sql),
    unsettledRows(sql),
  ])
  const servedLines = new Set(served)
  const wantedLines = new Set(wanted)
  return [
    ...unsettled,
    ...served
      .filter((line, at) => !wantedLines.has(line) || served.indexOf(line) !== at)
      .map((line) => `only served: ${line}`),
    ...wanted.filter((line) => !servedLines.has(line)).map((line) => `not served: ${line}`),
  ]
}

const line = (parts: (string | string[])[]): string =>
  parts.map((part) => (typeof part === 'string' ? part : part.toSorted().join(','))).join(' ')

async function servedApis(adminUrl: string): Promise<string[]> {
  const response = await fetch(`${adminUrl}/config/apps/http/servers/veil`, { keepalive: false })
  // The server itself has an id too, its version.
  const routes = nodesIn(await response.json()).filter((node) => '@id' in node && 'match' in node)
  return routes.map((route) => {
    const inside = nodesIn(route)
    const vars = inside.find((node) => 'veil_dial' in node) ?? {}
    const headers = inside.flatMap((node) => Object.keys((node.header_regexp as Node) ?? {}))
    const keys = inside
      .flatMap((node) => Object.values((node.header as Node) ?? {}).flat() as string[])
      .map((pattern) => pattern.replace(/^veil_(.*)_\*$/, '$1'))
    const [path = ''] = (route.match as { path: string[] }[])[0]?.path ?? []
    const upstream = `${vars.veil_scheme}://${vars.veil_dial}${vars.veil_base}`
    const methods = String(vars.veil_allow).split(', ')
    return line([String(route['@id']), path.slice(1), upstream, methods, headers, keys])
  })
}

function nodesIn(value: unknown): Node[] {
  if (typeof value !== 'object' || value === null) return []
  const below = Object.values(value).flatMap(nodesIn)
  return Array.isArray(value) ? below : [value as Node, ...below]
}

interface Row {
  id: string
  slug: string
  upstream_url: string
  methods: string[]
  headers: string[]
  keys: string[]
}

async function wantedApis(sql: Sql): Promise<string[]> {
  const rows = await sql<Row[]>`
    select id, slug, upstream_url,
      array(select method::text from api_allowed_methods where api_id = apis.id) as methods,
      array(select name::text from api_required_headers where api_id = apis.id) as headers,
      array(select id::text from api_keys
        where api_id = apis.id and status in ('active', 'rotating')) as keys
    from apis where status = 'published'`
  return rows.map(({ id, slug, upstream_url, methods, headers, keys }) =>
    line([
      `api_${id.replaceAll('-', '')}`,
      slug,
      upstream_url.replace(/\/$/, ''),
      methods,
      headers,
      keys,
    ]),
  )
}

/** Everything that is neither here nor there. */
async function unsettledRows(sql: Sql): Promise<string[]> {
  const rows = await sql<{ what: string }[]>`
    select 'API ' || slug || ' is ' || status as what from apis where status like '%ing'
    union all
    select 'key ' || id || ' is ' || status from api_keys where status in ('pending', 'failed_sync')
    union all
    select kind || ' of ' || subject_id || ' is in doubt' from gateway_commits where state = 'preparing'`
  return rows.map(({ what }) => what)
}
