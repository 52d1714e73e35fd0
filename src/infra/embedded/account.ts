import { chownSync, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { runCommand, systemTool } from './command'
import { SetupError } from './setup-error'

/** Under which account Postgres runs: `prefix` goes before each of its commands, `own` hands a path to the account. */
export interface Account {
  prefix: readonly string[]
  own(path: string): void
}

interface User {
  uid: number
  gid: number
}

const PREFERRED_USERS = ['postgres', 'nobody']
const OURSELVES: Account = { prefix: [], own: () => undefined }
const MEND =
  'Start Veil as an ordinary user who owns the folder, or set DATABASE_URL to a Postgres of your own.'

/**
 * Postgres refuses to run as root. An ordinary user runs it directly; root drops to the owner of existing data, else
 * to `postgres` or `nobody`, and where those cannot reach the files (a checkout under /root) to a user namespace.
 *
 * @throws SetupError `postgres-account` when none of it is possible
 */
export async function chooseAccount(binary: string, dataDir: string): Promise<Account> {
  const uid = process.getuid?.()
  const owner = existsSync(dataDir) ? statSync(dataDir) : null
  if (uid !== 0) {
    if (owner && uid !== undefined && owner.uid !== uid) throw foreignData(dataDir, owner.uid)
    return OURSELVES
  }
  return (
    (await firstReaching(usersFor(owner), binary, dataDir)) ??
    (owner && owner.uid !== 0 ? null : await userNamespace()) ??
    cannotDropRoot(binary, dataDir)
  )
}

/** Existing data stays with its owner; data of root's was made inside a user namespace. */
function usersFor(owner: User | null): User[] {
  if (owner) return owner.uid === 0 ? [] : [owner]
  return PREFERRED_USERS.map(findUser).filter((user) => user !== null)
}

function findUser(name: string): User | null {
  const passwd = existsSync('/etc/passwd') ? readFileSync('/etc/passwd', 'utf8') : ''
  const line = passwd.split('\n').find((entry) => entry.startsWith(`${name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : null
}

async function firstReaching(
  users: readonly User[],
  binary: string,
  dataDir: string,
): Promise<Account | null> {
  const setpriv = systemTool('setpriv')
  const probe = systemTool('test')
  if (!setpriv || !probe) return null
  for (const { uid, gid } of users) {
    const prefix = [setpriv, '--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups']
    const test = [...prefix, probe, '-x', binary, '-a', '-x', dirname(dataDir)]
    if ((await runCommand(test)).code !== 0) continue
    return { prefix, own: (path) => chownSync(path, uid, gid) }
  }
  return null
}

async function userNamespace(): Promise<Account | null> {
  const unshare = process.platform === 'linux' ? systemTool('unshare') : null
  if (!unshare) return null
  const prefix = [unshare, '--user', '--map-user=65534', '--map-group=65534']
  const works = (await runCommand([...prefix, systemTool('true') ?? 'true'])).code === 0
  return works ? { prefix, own: () => undefined } : null
}

function foreignData(dataDir: string, uid: number): SetupError {
  const message = `the database in ${dataDir} belongs to another user (uid ${uid})`
  return new SetupError('postgres-account', message, MEND)
}

function cannotDropRoot(binary: string, dataDir: string): never {
  const message = `Postgres does not run as root, and no other account can reach ${binary} and ${dataDir}`
  throw new SetupError('postgres-account', message, MEND)
}
