import type { Static } from '@sinclair/typebox'
import { strict, t } from '#infra/http'

/** Printable ASCII on both sides of the `@`; space around it is cut off before it is kept. */
const Email = t.String({
  pattern: '^\\s*[!-?A-~]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+\\s*$',
  minLength: 6,
  maxLength: 254,
  description: 'an email address such as ada@example.com',
  examples: ['ada@example.com'],
})

/** The upper bound keeps a stranger from making us hash megabytes. */
const MAX_PASSWORD_LENGTH = 256

const Name = t.String({
  pattern: '^(?=.*\\S)[^\\u0000-\\u001f\\u007f]+$',
  maxLength: 100,
  description: 'a name without control characters',
  examples: ['Ada Lovelace'],
})

/** Roles that a person may take without asking; `admin` is given, never taken. */
const OpenRole = t.Union([t.Literal('consumer'), t.Literal('provider')])

export const RegisterBody = strict(
  {
    email: Email,
    password: t.String({ minLength: 12, maxLength: MAX_PASSWORD_LENGTH }),
    name: Name,
    roles: t.Optional(t.Array(OpenRole, { minItems: 1, uniqueItems: true, default: ['consumer'] })),
  },
  {
    $id: 'Register',
    examples: [
      {
        email: 'ada@example.com',
        password: 'correct horse battery staple',
        name: 'Ada Lovelace',
        roles: ['provider', 'consumer'],
      },
    ],
  },
)

export const LoginBody = strict(
  {
    email: t.String({ minLength: 1, maxLength: 254, examples: ['ada@example.com'] }),
    password: t.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }),
  },
  {
    $id: 'Login',
    examples: [{ email: 'ada@example.com', password: 'correct horse battery staple' }],
  },
)

export const RefreshBody = strict(
  { refreshToken: t.String({ minLength: 1, maxLength: 200 }) },
  { $id: 'Refresh', examples: [{ refreshToken: 'refreshToken of the last answer' }] },
)

export const SessionParams = t.Object({ id: t.String({ description: 'Id of the session.' }) })

export const UserView = t.Object(
  {
    id: t.String({ examples: ['usr_0192f7a0c1d47c3e8f00a1b2c3d4e5f6'] }),
    email: t.String(),
    name: t.String(),
    roles: t.Array(t.Union([t.Literal('consumer'), t.Literal('provider'), t.Literal('admin')])),
    status: t.Union([t.Literal('active'), t.Literal('suspended'), t.Literal('closed')]),
    createdAt: t.String({ format: 'date-time' }),
  },
  { $id: 'User' },
)

export const TokensView = t.Object(
  {
    accessToken: t.String({ description: 'A JWT; send it as `Authorization: Bearer …`.' }),
    refreshToken: t.String({ description: 'Good for one use of POST /auth/refresh.' }),
    expiresIn: t.Integer({ description: 'Seconds until the access token expires.' }),
    tokenType: t.Literal('Bearer'),
  },
  { $id: 'Tokens' },
)

export const SignedInView = t.Object(
  { user: UserView, ...TokensView.properties },
  { $id: 'SignedIn' },
)

export const SessionView = t.Object(
  {
    id: t.String({ examples: ['ses_0192f7a0c1d47c3e8f00a1b2c3d4e5f6'] }),
    current: t.Boolean({ description: 'Whether this request came from it.' }),
    userAgent: t.Union([t.String(), t.Null()]),
    ipAddress: t.Union([t.String(), t.Null()]),
    createdAt: t.String({ format: 'date-time' }),
    lastUsedAt: t.String({ format: 'date-time', description: 'When it was last refreshed.' }),
    expiresAt: t.String({ format: 'date-time' }),
  },
  { $id: 'Session' },
)

export const JwksView = t.Object(
  {
    keys: t.Array(
      t.Object({
        kty: t.String(),
        crv: t.String(),
        x: t.String(),
        kid: t.String(),
        alg: t.String(),
        use: t.String(),
      }),
    ),
  },
  { $id: 'JsonWebKeySet', description: 'Public keys of access tokens (RFC 7517).' },
)

export type RegisterInput = Static<typeof RegisterBody>
export type LoginInput = Static<typeof LoginBody>
export type User = Static<typeof UserView>
export type Tokens = Static<typeof TokensView>
export type SignedIn = Static<typeof SignedInView>
export type Session = Static<typeof SessionView>
export type Jwks = Static<typeof JwksView>
