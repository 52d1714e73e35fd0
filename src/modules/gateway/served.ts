import type { CaddyRoute, CaddyServer } from './config-types'
import type { TreeLeaf } from './tree'

/** The leaves of the APIs that a gateway serves, by the API's id. */
export function servedLeaves(server: CaddyServer | null): Map<string, TreeLeaf> {
  const found = new Map<string, TreeLeaf>()
  const visit = (routes: readonly CaddyRoute[]): void => {
    for (const route of routes) {
      const leaf = leafOf(route)
      if (leaf) found.set(String(route['@id']), leaf)
      else for (const { routes: below } of subroutesOf(route)) visit(below)
    }
  }
  visit(server?.routes ?? [])
  return found
}

/** As it was given to the tree, which added the group and the match. */
function leafOf({ group: _group, match, ...route }: CaddyRoute): TreeLeaf | null {
  const [path] = (match?.[0]?.path as string[] | undefined) ?? []
  return typeof route['@id'] === 'string' && path ? { slug: path.slice(1), route } : null
}

const subroutesOf = (route: CaddyRoute): { routes: CaddyRoute[] }[] =>
  (route.handle ?? []).flatMap(({ routes }) =>
    Array.isArray(routes) ? [{ routes: routes as CaddyRoute[] }] : [],
  )
