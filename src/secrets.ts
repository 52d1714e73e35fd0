import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '#app/config'
import type { Secrets } from '#app/container'
import { SetupError } from '#infra/embedded'

/** A secret that is made at the first start and kept in a file that only its owner may read. */
function keptSecret(dataDir: string, name: string): string {
  const file = join(dataDir, name)
  const existing = read(file)
  if (existing) return existing
  mkdirSync(dataDir, { recursive: true })
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, randomBytes(32).toString('base64url'), { mode: 0o600 })
  try {
    // A link appears whole or not at all: of two that start at once, both read the same secret.
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft)
  }
  return readFileSync(file, 'utf8')
}

/** Null when there is no such file; one that may not be read must not be replaced by another secret. */
function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    throw new SetupError(
      'data-folder',
      `The file ${file} cannot be read (${code}).`,
      'Start Veil as the user who owns the data folder, or set VEIL_DATA_DIR to another folder.',
    )
  }
}

/** What the operator set, or what was made at the first start. */
export const secretsOf = (config: Config): Secrets => ({
  secret: config.secret ?? keptSecret(config.dataDir, 'secret'),
  usageTokens: config.usage.tokens ?? [keptSecret(config.dataDir, 'usage-token')],
})
