import type { Drift } from '#db/schema/gateway'
import type { CaddyAdmin } from './caddy'
import type { CaddyServer } from './config-types'
import { type DesiredApi, revisionOf } from './desired'
import { apiRoute } from './route-api'
import { servedLeaves } from './served'
import type { TreeLeaf } from './tree'

/**
 * Where a gateway and the database differ: APIs and keys that it lacks, APIs that it serves otherwise,
 * and those that it should not serve. The keys of an API that is missing or left over are not listed.
 */
export function driftOf(
  apis: DesiredApi[],
  server: CaddyServer | null,
  keyHeader: string,
): Drift[] {
  const served = servedLeaves(server)
  const wanted = new Set(apis.map(({ id }) => id))
  const left = [...served.keys()].filter((id) => !wanted.has(id))
  return [
    ...left.map((subjectId) => ({ kind: 'orphan' as const, subjectId })),
    ...apis.flatMap((api): Drift[] => {
      const leaf = served.get(api.id)
      return leaf ? driftOfApi(api, leaf, keyHeader) : [{ kind: 'missing', subjectId: api.id }]
    }),
  ]
}

function driftOfApi(api: DesiredApi, leaf: TreeLeaf, keyHeader: string): Drift[] {
  const served = keysOf(leaf)
  const [before, after] = [new Set(served), new Set(api.keyIds)]
  const drift = (kind: Drift['kind'], ids: string[]) =>
    ids.map((id) => ({ kind, subjectId: `key_${id}` }))
  const sameKeys = { slug: api.slug, route: apiRoute({ ...api, keyIds: served }, keyHeader) }
  return [
    ...(revisionOf(sameKeys) === revisionOf(leaf)
      ? []
      : [{ kind: 'stale' as const, subjectId: api.id }]),
    ...drift(
      'missing',
      api.keyIds.filter((id) => !before.has(id)),
    ),
    ...drift(
      'orphan',
      served.filter((id) => !after.has(id)),
    ),
  ]
}

/**
 * The keys that each API lets through to authorize, by the API's id, as one gateway serves them.
 * @throws CaddyUnreadable
 */
export async function allowListsOf(gateway: CaddyAdmin): Promise<Map<string, Set<string>>> {
  const { server } = await gateway.readServer()
  return new Map(
    [...servedLeaves(server)].map(([apiId, leaf]) => [
      apiId,
      new Set(keysOf(leaf).map((id) => `key_${id}`)),
    ]),
  )
}

const keysOf = ({ route }: TreeLeaf): string[] =>
  [...JSON.stringify(route).matchAll(/"veil_([0-9A-Za-z]{12})_\*"/g)].map(([, id = '']) => id)
