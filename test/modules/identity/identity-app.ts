import { createHttpApp, IdempotencyStore, RouteGroup, t } from '#infra/http'
import { createLogger } from '#infra/logger'
import { createSealer } from '#lib/sealing'
import { createIdentity } from '#modules/identity'
import { TestClock } from '#test/clock'
import { freshDatabase, type TestDatabase } from '#test/database'

export const MACHINE_TOKENS = [
  'first-machine-token-of-32-characters',
  'second-machine-token-32-chars-long',
]
export const PASSWORD = 'correct horse battery'
const SECRET = 'a secret of the operator, long enough'

const Probe = t.Object({ roles: t.Array(t.String()) })

/** Routes that need what no route of identity needs. */
const probes = () =>
  new RouteGroup('/probe', 'Probe')
    .get(
      '/admin',
      { permission: 'categories:write', summary: 'For admins.', response: Probe },
      ({ actor }) => ({ roles: actor.roles }),
    )
    .get('/machine', { permission: 'gateway', summary: 'For machines.', response: Probe }, () => ({
      roles: [],
    }))

export interface Answer<T> {
  status: number
  body: T
  headers: Headers
}

export interface Problem {
  code: string
  status: number
  detail: string
  errors?: { in: string; pointer: string; message: string }[]
}

export interface SignedIn {
  user: { id: string; email: string; name: string; roles: string[]; status: string }
  accessToken: string
  refreshToken: string
  expiresIn: number
  tokenType: string
}

export interface CallOptions {
  body?: unknown
  token?: string
  headers?: Record<string, string>
}

/** One process of Veil: a second one on the same database and clock is a second replica. */
export class Replica {
  readonly identity
  private readonly app
  readonly logLines: string[] = []

  constructor(
    readonly database: TestDatabase,
    readonly clock: TestClock,
    secret = SECRET,
  ) {
    const { db } = database
    const sealer = createSealer(secret, 'signing-keys')
    const passwordCost = { memoryCost: 8, timeCost: 1 }
    const machineTokens = MACHINE_TOKENS
    this.identity = createIdentity({ db, clock, sealer, machineTokens, passwordCost })
    this.app = createHttpApp({
      groups: [...this.identity.routes, probes()],
      authorize: this.identity.authorize,
      idempotency: new IdempotencyStore(db, createSealer(secret, 'idempotency'), clock),
      logger: createLogger('trace', { write: (line: string) => void this.logLines.push(line) }),
      clock,
      info: { title: 'Veil', version: '0', description: 'test' },
    })
  }

  async call<T = Problem>(
    method: string,
    path: string,
    { body, token, headers }: CallOptions = {},
  ): Promise<Answer<T>> {
    const response = await this.app.handle(
      new Request(`http://localhost${path}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    )
    const text = await response.text()
    const parsed = text === '' ? null : JSON.parse(text)
    return { status: response.status, body: parsed as T, headers: response.headers }
  }

  async register(email: string, more: Record<string, unknown> = {}): Promise<SignedIn> {
    const body = { email, password: PASSWORD, name: 'Ada', ...more }
    const answer = await this.call<SignedIn>('POST', '/auth/register', { body })
    if (answer.status !== 201) throw new Error(`register: ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  login<T = SignedIn>(email: string, password = PASSWORD, headers: Record<string, string> = {}) {
    return this.call<T>('POST', '/auth/login', { body: { email, password }, headers })
  }

  refresh<T = SignedIn>(refreshToken: string) {
    return this.call<T>('POST', '/auth/refresh', { body: { refreshToken } })
  }

  me<T = Problem>(token: string) {
    return this.call<T>('GET', '/auth/me', { token })
  }
}

/** Two replicas over one fresh database. */
export async function createBundle() {
  const database = await freshDatabase()
  const clock = new TestClock()
  const replica = () => new Replica(database, clock)
  return { database, clock, replica, first: replica(), second: replica() }
}
