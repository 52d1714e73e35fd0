/** What differs, a line for each value: `+` is new, `-` is gone, `~` is another. */
export function pricingDiff(before: unknown, after: unknown): string[] {
  const [old, now] = [flat(before), flat(after)]
  const paths = [...new Set([...old.keys(), ...now.keys()])].sort()
  return paths.flatMap((path) => {
    const [was, is] = [old.get(path), now.get(path)]
    if (was === is) return []
    if (was === undefined) return [`+ ${path}: ${is}`]
    return [is === undefined ? `- ${path}: ${was}` : `~ ${path}: ${was} → ${is}`]
  })
}

/** Every value under its path; an empty list or map is a value. */
function flat(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : []
  if (entries.length === 0 && path !== '') into.set(path, JSON.stringify(value))
  for (const [key, item] of entries) flat(item, path === '' ? key : `${path}.${key}`, into)
  return into
}
