/** A compiled `METHOD /path`; null for any method, `below` for a pattern that ends in `/**`. */
export interface OperationPattern {
  method: string | null
  segments: (string | null)[]
  below: boolean
}

const PATTERN = /^(\*|[A-Z][A-Z-]{0,31}) (\/.*)$/

/**
 * Reads `GET /cities/*` or `* /reports/**`: a `*` stands for one whole segment, `**` at the end for
 * that path and everything below. Null for anything else, and for what no call could match.
 */
export function parseOperationPattern(text: string): OperationPattern | null {
  const [, method, path] = PATTERN.exec(text) ?? []
  if (method === undefined || path === undefined) return null
  const below = path.endsWith('/**')
  const segments = segmentsOf(below ? path.slice(0, -3) : path)
  if (segments === null || segments.some((segment) => segment !== '*' && segment.includes('*')))
    return null
  return {
    method: method === '*' ? null : method,
    segments: segments.map((segment) => (segment === '*' ? null : segment)),
    below,
  }
}

/**
 * The decoded segments of a path without its query; one slash at the end does not count. Null for a
 * path that a server may read in two ways: empty segments, dot segments, encoded separators, what is
 * encoded twice or not UTF-8, parameters in place of a name. A limit that such a path got around
 * would be none.
 */
export function segmentsOf(path: string): string[] | null {
  if (path === '' || path === '/') return []
  if (!path.startsWith('/')) return null
  const raw = (path.endsWith('/') ? path.slice(0, -1) : path).slice(1).split('/')
  const segments: string[] = []
  for (const part of raw) {
    const segment = decoded(part)
    if (segment === null || AMBIGUOUS.test(segment)) return null
    segments.push(segment)
  }
  return segments
}

/** Nothing or a parameter alone, dots, separators and control characters, or still encoded. */
const AMBIGUOUS = /^(?:;|$|\.\.?(?:;|$))|[/\\?#\p{Cc}]|%[0-9A-Fa-f]{2}/u

function decoded(part: string): string | null {
  if (!part.includes('%')) return part
  try {
    return decodeURIComponent(part)
  } catch {
    return null
  }
}

/** Whether a call is one of these operations. */
export function matchesOperation(
  patterns: readonly OperationPattern[],
  method: string,
  segments: readonly string[],
): boolean {
  return patterns.some(
    (pattern) =>
      (pattern.method === null || pattern.method === method) &&
      (pattern.below
        ? segments.length >= pattern.segments.length
        : segments.length === pattern.segments.length) &&
      pattern.segments.every((wanted, index) => wanted === null || wanted === segments[index]),
  )
}
