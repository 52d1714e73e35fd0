/**
 * Why Caddy gave up, out of what it wrote to standard error: the plain last line of older releases
 * (`Error: loading initial config: …`), else the last entry of level `error` in the JSON log; null when it did not say.
 */
export function complaint(output: string): string | null {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const plain = lines.findLast((line) => !line.startsWith('{'))
  return plain ?? lines.map(errorMessage).findLast((message) => message !== null) ?? null
}

function errorMessage(line: string): string | null {
  try {
    const { level, msg }: { level?: unknown; msg?: unknown } = JSON.parse(line)
    return level === 'error' && typeof msg === 'string' ? msg : null
  } catch {
    return null
  }
}
