import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { Account } from './account'
import { runCommand } from './command'
import type { PostgresBinaries } from './postgres-binaries'
import { SetupError } from './setup-error'

/** The one role of the embedded database. */
export const SUPERUSER = 'postgres'

/** The server's whole environment: none of the app's secrets, none of the user's PG* variables. */
export const POSTGRES_ENV = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

export interface ClusterOptions {
  binaries: PostgresBinaries
  account: Account
  dataDir: string
  /** Whether a new database must survive a power cut. */
  durable: boolean
  /** Receives a sentence before a long step. */
  onProgress: (message: string) => void
}

/**
 * Makes the database folder where there is none, and returns the superuser's password. The password is made once and
 * kept in `<dataDir>.password` (mode 0600); when that file was lost the database is given a new one.
 *
 * @throws SetupError `postgres-data` | `postgres-failed`
 */
export async function prepareCluster(options: ClusterOptions): Promise<string> {
  const { dataDir, onProgress, account } = options
  const file = `${dataDir}.password`
  const known = existsSync(file)
  if (!known) {
    writeFileSync(file, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 })
    account.own(file)
  }
  const password = readFileSync(file, 'utf8').trim()
  if (!existsSync(`${dataDir}/PG_VERSION`)) {
    onProgress('Creating the database (first start only)')
    await createCluster(options, file)
  } else if (!known) {
    await resetPassword(options, password).catch((error: unknown) => {
      rmSync(file, { force: true })
      throw error
    })
  }
  return password
}

/** Built beside its place and renamed: a folder that initdb left half done is never taken for a database. */
async function createCluster(
  { binaries, account, dataDir, durable }: ClusterOptions,
  passwordFile: string,
): Promise<void> {
  if (existsSync(dataDir) && readdirSync(dataDir).length > 0) throw notADatabase(dataDir)
  const fresh = `${dataDir}.new`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true, mode: 0o700 })
  account.own(fresh)
  account.own(passwordFile)
  const result = await runCommand(
    [
      ...account.prefix,
      ...[binaries.initdb, '-D', fresh, '-U', SUPERUSER, `--pwfile=${passwordFile}`],
      // Postgres' own locale: the same order of text on every platform, whatever locales it has.
      ...['-E', 'UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
      '--auth=scram-sha-256',
      ...(durable ? [] : ['--no-sync']),
    ],
    { env: POSTGRES_ENV, cwd: '/' },
  )
  if (result.code !== 0) {
    rmSync(fresh, { recursive: true, force: true })
    throw failed('creating the database', result.stderr || result.stdout)
  }
  renameSync(fresh, dataDir)
}

async function resetPassword(
  { binaries, account, dataDir }: ClusterOptions,
  password: string,
): Promise<void> {
  const result = await runCommand(
    [...account.prefix, binaries.postgres, '--single', '-D', dataDir, 'postgres'],
    { env: POSTGRES_ENV, cwd: '/', input: `ALTER ROLE ${SUPERUSER} PASSWORD '${password}'\n` },
  )
  // The single-user backend goes on after a failed statement and still exits with 0.
  if (result.code !== 0 || /ERROR:/.test(result.stderr)) {
    throw failed('setting a new database password', result.stderr)
  }
}

function notADatabase(dataDir: string): SetupError {
  return new SetupError(
    'postgres-data',
    `${dataDir} holds files but no database`,
    'Move that folder away, or give another one for the data.',
  )
}

function failed(step: string, output: string): SetupError {
  return new SetupError(
    'postgres-failed',
    `${step} failed: ${output.trim().slice(-2000)}`,
    'Mend what Postgres complains of, or set DATABASE_URL to a Postgres of your own.',
  )
}
