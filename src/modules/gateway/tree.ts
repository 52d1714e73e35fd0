import type { CaddyRoute } from './config-types'

/** Caddy tries the routes of a node one after another; with 16 a node the throughput stays flat to 5,000 APIs. */
export const MAX_CHILDREN = 16

export interface TreeLeaf {
  slug: string
  route: CaddyRoute
}

/**
 * Routes that find one of `leaves` by the first segment of the path, at most 16 routes a node, each
 * node with a group name of its own. What matches no leaf falls through without a side effect: the
 * caller puts the refusal behind the tree. Slugs must be unique; their order does not matter.
 */
export function prefixTree(leaves: TreeLeaf[]): CaddyRoute[] {
  const sorted = leaves.toSorted((a, b) => (a.slug < b.slug ? -1 : 1))
  return node(sorted, 'n')
}

function node(leaves: TreeLeaf[], group: string): CaddyRoute[] {
  if (leaves.length <= MAX_CHILDREN) return leaves.map((leaf) => leafRoute(leaf, group))
  return intoBins(branches(leaves)).map((bin, index) => binRoute(bin, group, index))
}

function leafRoute({ slug, route }: TreeLeaf, group: string): CaddyRoute {
  return { ...route, group, match: [{ path: pathsOf(slug) }] }
}

const pathsOf = (slug: string): string[] => [`/${slug}`, `/${slug}/*`]

/** Leaves that share what is before the `*` of a path, or the one that is no more than the common prefix. */
interface Branch {
  paths: string[]
  leaves: TreeLeaf[]
}

/** Splits by the first character after the longest common prefix: always into two branches or more. */
function branches(sorted: TreeLeaf[]): Branch[] {
  const length = commonPrefixLength(sorted[0]?.slug ?? '', sorted.at(-1)?.slug ?? '')
  const found = new Map<string, TreeLeaf[]>()
  for (const leaf of sorted) {
    const prefix = leaf.slug.slice(0, length + 1)
    const branch = found.get(prefix)
    if (branch) branch.push(leaf)
    else found.set(prefix, [leaf])
  }
  return [...found].map(([prefix, leaves]) => ({
    // The slug that is the common prefix itself: with a `*` it would take all the others' calls.
    paths: prefix.length === length ? pathsOf(prefix) : [`/${prefix}*`],
    leaves,
  }))
}

/** Of sorted strings the first and the last differ soonest. */
function commonPrefixLength(first: string, last: string): number {
  let length = 0
  while (length < first.length && first[length] === last[length]) length++
  return length
}

/** Neighbouring branches share a bin until each of the (at most 16) bins has about the same weight. */
function intoBins(all: Branch[]): Branch[][] {
  let weightLeft = all.reduce((sum, branch) => sum + branch.leaves.length, 0)
  const bins: Branch[][] = []
  let bin: Branch[] = []
  let weight = 0
  for (const [index, branch] of all.entries()) {
    bin.push(branch)
    weight += branch.leaves.length
    const binsLeft = MAX_CHILDREN - bins.length
    const enough = weight >= weightLeft / binsLeft || all.length - index <= binsLeft
    if (!enough || binsLeft === 1) continue
    bins.push(bin)
    weightLeft -= weight
    bin = []
    weight = 0
  }
  if (bin.length > 0) bins.push(bin)
  return bins
}

function binRoute(bin: Branch[], group: string, index: number): CaddyRoute {
  const leaves = bin.flatMap((branch) => branch.leaves)
  const [only] = leaves
  if (only && leaves.length === 1) return leafRoute(only, group)
  return {
    group,
    match: [{ path: bin.flatMap((branch) => branch.paths) }],
    handle: [{ handler: 'subroute', routes: node(leaves, `${group}.${index}`) }],
  }
}
