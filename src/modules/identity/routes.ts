import { PageQuery, pageOf, pageRequest, RouteGroup, strict } from '#infra/http'
import {
  JwksView,
  LoginBody,
  RefreshBody,
  RegisterBody,
  SessionParams,
  SessionView,
  SignedInView,
  TokensView,
  UserView,
} from './schemas'
import type { IdentityService } from './service'
import type { Device } from './sessions'

const deviceOf = (call: { request: Request; remoteAddress: string }): Device => ({
  userAgent: call.request.headers.get('user-agent'),
  ipAddress: call.remoteAddress,
})

/** RFC 6749 §5.1: an answer that holds tokens is stored nowhere on the way. */
const NOT_STORED = ['cache-control', 'no-store'] as const

export function identityRoutes(identity: IdentityService): RouteGroup {
  const group = new RouteGroup('/auth', 'Identity')
  addSignIn(group, identity)
  addOwnAccount(group, identity)
  return group
}

function addSignIn(group: RouteGroup, identity: IdentityService): void {
  group
    .post(
      '/register',
      {
        permission: 'public',
        summary: 'Open an account and a first session',
        body: RegisterBody,
        response: SignedInView,
        status: 201,
        problems: [409],
      },
      (call) => {
        call.setHeader(...NOT_STORED)
        return identity.register(call.body, deviceOf(call))
      },
    )
    .post(
      '/login',
      {
        permission: 'public',
        summary: 'Open a session with email and password',
        description:
          'After 10 failures in a row the account takes no login for 15 minutes (429 with Retry-After).',
        body: LoginBody,
        response: SignedInView,
        problems: [401, 403, 429],
      },
      (call) => {
        call.setHeader(...NOT_STORED)
        return identity.login(call.body, deviceOf(call))
      },
    )
    .post(
      '/refresh',
      {
        permission: 'public',
        summary: 'Trade a refresh token for new tokens',
        description:
          'A refresh token is good for one use. One that comes a second time ends its whole session, also when both come at once: refresh from one place at a time.',
        body: RefreshBody,
        response: TokensView,
        problems: [401, 403],
      },
      (call) => {
        call.setHeader(...NOT_STORED)
        return identity.refresh(call.body.refreshToken)
      },
    )
}

function addOwnAccount(group: RouteGroup, identity: IdentityService): void {
  group
    .post(
      '/logout',
      { permission: 'account:manage', summary: 'End the session of this token', status: 204 },
      ({ actor }) => identity.logout(actor),
    )
    .get(
      '/me',
      { permission: 'account:manage', summary: 'Who am I?', response: UserView },
      ({ actor }) => identity.me(actor),
    )
    .get(
      '/sessions',
      {
        permission: 'account:manage',
        summary: 'List my live sessions, newest first',
        query: strict(PageQuery),
        response: pageOf(SessionView),
        problems: [400],
      },
      ({ actor, query }) => identity.listSessions(actor, pageRequest(query, 'ses')),
    )
    .delete(
      '/sessions/:id',
      {
        permission: 'account:manage',
        summary: 'End one of my sessions',
        params: SessionParams,
        status: 204,
      },
      ({ actor, params }) => identity.revokeSession(actor, params.id),
    )
}

export function jwksRoutes(identity: IdentityService): RouteGroup {
  return new RouteGroup('', 'System').get(
    '/.well-known/jwks.json',
    {
      permission: 'public',
      summary: 'Public keys that check access tokens',
      description: 'RFC 7517. An unknown `kid` means a new key: fetch this again.',
      response: JwksView,
    },
    ({ setHeader }) => {
      setHeader('cache-control', 'public, max-age=60')
      return identity.jwks()
    },
  )
}
