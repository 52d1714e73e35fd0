import { resolve } from 'node:path'
import { z } from 'zod'
import { FAILPOINTS, type Failpoint, OTHER_FAILPOINTS } from '#lib/failpoint'

export const ROLES = ['api', 'worker', 'cron', 'edge'] as const
export type ProcessRole = (typeof ROLES)[number]

const PORT_RULE = 'must be a port: a whole number from 1 to 65535'
const ROLES_RULE = `must be a comma-separated list of ${ROLES.join(', ')}`
const URL_RULE = 'must be an http:// or https:// address'
const DIAL_RULE = 'must be host:port or unix//path, several separated by commas'
const TOKEN_RULE = 'must be a comma-separated list of tokens of at least 32 characters'
const SENDER_RULE = 'must be an address such as veil@example.com or Veil <veil@example.com>'
const DATABASE_RULE =
  'must be postgres://user:password@host:port/database, signs such as @ / # in the password percent-encoded'

const split = (text: string) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean)
/** A comma-separated list of at least one; `rule` says what is wanted when it is empty. */
const list = <T extends z.ZodType<unknown, string>>(item: T, rule: string) =>
  z.string().transform(split).pipe(z.array(item).min(1, rule))
const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, `must be one of ${values.join(', ')}`)
const isPostgresUrl = (text: string) => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text)

const port = z.coerce.number(PORT_RULE).int(PORT_RULE).min(1, PORT_RULE).max(65_535, PORT_RULE)
const wholeNumber = (least: number) => {
  const rule = `must be a whole number, ${least} or more`
  return z.coerce.number(rule).int(rule).min(least, rule)
}
const flag = oneOf(['true', 'false']).transform((text) => text === 'true')
const http = z.url({ protocol: /^https?$/, error: URL_RULE })
const dial = z.string().regex(/^(unix\/.+|\S*:\d{1,5})$/, DIAL_RULE)

/** Every variable that is read, with its default; docs/operator.md explains them. */
export const ENVIRONMENT = z.object({
  NODE_ENV: oneOf(['development', 'test', 'production']).default('development'),
  VEIL_ROLES: z
    .string()
    .default(ROLES.join(','))
    .transform(split)
    .pipe(z.array(z.enum(ROLES, ROLES_RULE)).min(1, ROLES_RULE)),
  VEIL_HOST: z.string().min(1).default('127.0.0.1'),
  PORT: port.default(3000),
  GATEWAY_PORT: port.default(8080),
  CADDY_ADMIN_PORT: port.default(2019),
  EDGE_PORT: port.default(3001),
  POSTGRES_PORT: port.optional(),
  METRICS_PORT: port.optional(),
  DATABASE_URL: z.string().refine(isPostgresUrl, DATABASE_RULE).optional(),
  GATEWAY_ADMIN_URLS: list(http, URL_RULE).optional(),
  GATEWAY_LISTEN: list(dial, DIAL_RULE).optional(),
  GATEWAY_PUBLIC_URL: http.optional(),
  EDGE_DIALS: list(dial, DIAL_RULE).optional(),
  GATEWAY_ID: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'must be 1 to 40 lower-case letters, digits and hyphens')
    .default('gateway-1'),
  KEY_HEADER: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]*$/, 'must be the name of a header')
    .default('X-API-Key'),
  USAGE_LOG: z.string().optional(),
  USAGE_URL: http.optional(),
  USAGE_TOKENS: list(z.string().min(32, TOKEN_RULE), TOKEN_RULE).optional(),
  USAGE_BACKLOG_LIMIT: wholeNumber(1_000).default(10_000_000),
  /** A month's invoice can be checked against its calls a month later. */
  USAGE_RETENTION_DAYS: wholeNumber(62).default(400),
  CADDY_BIN: z.string().optional(),
  PERMIT_PACKAGE_MANAGER: flag.default(true),
  VEIL_DATA_DIR: z.string().min(1).default('.veil'),
  VEIL_SECRET: z.string().min(32, 'must have at least 32 characters').optional(),
  /** A sandbox has a clock that an admin can move. */
  VEIL_SANDBOX: flag.default(false),
  PRICING_FILE: z.string().min(1).default('pricing.yaml'),
  ADMIN_EMAIL: z
    .string()
    .default('admin@veil.local')
    .transform((text) => text.trim().toLowerCase())
    .pipe(z.email('must be an e-mail address')),
  ADMIN_PASSWORD: z.string().min(12, 'must have at least 12 characters').optional(),
  ALLOW_PRIVATE_UPSTREAMS: flag.optional(),
  SMTP_URL: z
    .url({ protocol: /^smtps?$/, error: 'must be an smtp:// or smtps:// address' })
    .optional(),
  MAIL_FROM: z
    .string()
    .regex(/^([^<>@"]+ <[^\s<>@,;]+@[^\s<>@,;]+>|[^\s<>@,;]+@[^\s<>@,;]+)$/, SENDER_RULE)
    .optional(),
  STRIPE_SECRET_KEY: z
    .string()
    .regex(/^(sk|rk)_\w+$/, 'must be a secret key of Stripe such as sk_live_…')
    .optional(),
  STRIPE_WEBHOOK_SECRET: z
    .string()
    .regex(/^whsec_\S+$/, 'must be the signing secret of a webhook endpoint of Stripe: whsec_…')
    .optional(),
  STRIPE_API_BASE: http.default('https://api.stripe.com'),
  VIES_URL: http.optional(),
  PAYMENT_RETURN_URL: http.optional(),
  /** `info` in production; elsewhere `warn`, so that a developer sees problems and no flood. */
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).optional(),
  /** For tests of recovery. */
  FAILPOINT: oneOf([...FAILPOINTS, ...OTHER_FAILPOINTS]).optional(),
})

export interface Config {
  production: boolean
  roles: ProcessRole[]
  host: string
  port: number
  /** The REST API's, for people. */
  url: string
  logLevel: string
  dataDir: string
  /** Null where it is made at the first start and kept in the data folder. */
  secret: string | null
  pricingFile: string
  sandbox: boolean
  admin: { email: string; password: string | null }
  database: { url: string | null; port: number | null }
  gateway: {
    id: string
    port: number
    adminPort: number
    /** Null when Veil runs Caddy itself. */
    adminUrls: string[] | null
    listen: string[]
    publicUrl: string
    keyHeader: string
    caddyBin: string | null
    permitPackageManager: boolean
    allowPrivateUpstreams: boolean
  }
  edge: {
    port: number
    /** Path of a Unix socket beside the port, for a Caddy of our own; null without one. */
    socket: string | null
    /** Where gateways find the edges. */
    dials: string[]
  }
  /** Of `GET /metrics`; null where it is not wanted. */
  metrics: { port: number | null }
  usage: {
    log: string | null
    url: string
    tokens: string[] | null
    /** Calls that may wait to be booked before no more are taken. */
    backlogLimit: number
    /** How long single calls are kept; what was counted is kept for good. */
    retentionDays: number
  }
  /** Null where no mail server is set: mails are then written and not sent. */
  mail: { smtpUrl: string; from: string } | null
  /** Null where no keys are set: payments are then taken by hand. */
  stripe: { secretKey: string; webhookSecret: string; apiBase: string } | null
  /** Where VAT ids are looked up; null: their form and check digits must do. */
  viesUrl: string | null
  /** Where a page of the payment provider sends the customer back to. */
  paymentReturnUrl: string
  /** The step at which this process kills itself; null outside of tests. */
  failpoint: Failpoint | null
}

/** All that is wrong with the environment, at once. */
export class ConfigError extends Error {
  constructor(readonly mistakes: string[]) {
    super(`The environment is wrong:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

type Environment = z.infer<typeof ENVIRONMENT>

/** Reads the environment; the only place that does. Throws a {@link ConfigError}. */
export function readConfig(environment: Record<string, string | undefined> = process.env): Config {
  // An empty variable, as `docker compose` passes on, is one that was not set.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const parsed = ENVIRONMENT.safeParse(given)
  const mistakes = [
    ...(parsed.error?.issues ?? []).map(({ path, message }) => `${String(path[0])}: ${message}`),
    ...missingInProduction(given),
    ...sandboxInProduction(given),
    ...(parsed.success
      ? [
          ...portsTakenTwice(parsed.data),
          ...senderMissing(parsed.data),
          ...stripeHalfSet(parsed.data),
        ]
      : []),
  ]
  if (!parsed.success || mistakes.length > 0) throw new ConfigError([...new Set(mistakes)])
  return toConfig(parsed.data)
}

const NEEDED_IN_PRODUCTION = {
  VEIL_SECRET: '; `openssl rand -base64 32` makes one',
  DATABASE_URL: '',
  ADMIN_PASSWORD: '',
  USAGE_TOKENS: '; `openssl rand -hex 32` makes one',
}

/** In production nothing is made up: a secret that is lost with the data folder is no secret. */
function missingInProduction(given: Record<string, string | undefined>): string[] {
  if (given.NODE_ENV !== 'production') return []
  return Object.entries(NEEDED_IN_PRODUCTION)
    .filter(([name]) => given[name] === undefined)
    .map(([name, hint]) => `${name}: must be set when NODE_ENV=production${hint}`)
}

/** Whoever can move the clock can end trials, expire keys and bill months that never were. */
function sandboxInProduction({ NODE_ENV, VEIL_SANDBOX }: Record<string, string | undefined>) {
  return NODE_ENV === 'production' && VEIL_SANDBOX === 'true'
    ? ['VEIL_SANDBOX: must not be true when NODE_ENV=production']
    : []
}

/** A made-up sender would only teach other servers to distrust this one. */
function senderMissing({ SMTP_URL, MAIL_FROM }: Environment): string[] {
  return SMTP_URL && !MAIL_FROM ? ['MAIL_FROM: must be set when SMTP_URL is'] : []
}

/** Without the secret of its webhook nothing that Stripe tells could be believed. */
function stripeHalfSet({ STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET }: Environment): string[] {
  if (STRIPE_SECRET_KEY && !STRIPE_WEBHOOK_SECRET)
    return ['STRIPE_WEBHOOK_SECRET: must be set when STRIPE_SECRET_KEY is']
  if (STRIPE_WEBHOOK_SECRET && !STRIPE_SECRET_KEY)
    return ['STRIPE_SECRET_KEY: must be set when STRIPE_WEBHOOK_SECRET is']
  return []
}

function portsTakenTwice(env: Environment): string[] {
  const names = portsOf(env).filter((name) => env[name] !== undefined)
  return names.flatMap((name, index) => {
    const earlier = names.slice(0, index).find((other) => env[other] === env[name])
    return earlier ? [`${name}: must not be the port of ${earlier} (${env[name]}) as well`] : []
  })
}

/** The ports that this process and its children will listen on. */
function portsOf(env: Environment) {
  return [
    ...(env.VEIL_ROLES.includes('api') ? (['PORT'] as const) : []),
    ...(env.VEIL_ROLES.includes('edge') ? (['EDGE_PORT'] as const) : []),
    ...(env.GATEWAY_ADMIN_URLS ? [] : (['GATEWAY_PORT', 'CADDY_ADMIN_PORT'] as const)),
    ...(env.DATABASE_URL ? [] : (['POSTGRES_PORT'] as const)),
    'METRICS_PORT' as const,
  ]
}

/** Where this machine reaches what listens on `host`. */
const reachable = (host: string): string =>
  ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : bracketed(host)

const named = (host: string): string => (host === '127.0.0.1' ? 'localhost' : host)

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)

function toConfig(env: Environment): Config {
  const production = env.NODE_ENV === 'production'
  const host = reachable(env.VEIL_HOST)
  return {
    production,
    roles: env.VEIL_ROLES,
    host: env.VEIL_HOST,
    port: env.PORT,
    url: `http://${named(host)}:${env.PORT}`,
    logLevel: env.LOG_LEVEL ?? (production ? 'info' : 'warn'),
    dataDir: env.VEIL_DATA_DIR,
    secret: env.VEIL_SECRET ?? null,
    pricingFile: env.PRICING_FILE,
    sandbox: env.VEIL_SANDBOX,
    admin: { email: env.ADMIN_EMAIL, password: env.ADMIN_PASSWORD ?? null },
    database: { url: env.DATABASE_URL ?? null, port: env.POSTGRES_PORT ?? null },
    gateway: gatewayOf(env),
    edge: edgeOf(env),
    metrics: { port: env.METRICS_PORT ?? null },
    usage: {
      log: env.USAGE_LOG ?? null,
      url: env.USAGE_URL ?? `http://${host}:${env.PORT}`,
      tokens: env.USAGE_TOKENS ?? null,
      backlogLimit: env.USAGE_BACKLOG_LIMIT,
      retentionDays: env.USAGE_RETENTION_DAYS,
    },
    mail: env.SMTP_URL && env.MAIL_FROM ? { smtpUrl: env.SMTP_URL, from: env.MAIL_FROM } : null,
    stripe: stripeOf(env),
    viesUrl: env.VIES_URL ?? null,
    paymentReturnUrl: env.PAYMENT_RETURN_URL ?? `http://${named(host)}:${env.PORT}/swagger`,
    failpoint: env.FAILPOINT ?? null,
  }
}

const stripeOf = ({
  STRIPE_SECRET_KEY: secretKey,
  STRIPE_WEBHOOK_SECRET: webhookSecret,
  STRIPE_API_BASE: apiBase,
}: Environment): Config['stripe'] =>
  secretKey && webhookSecret ? { secretKey, webhookSecret, apiBase } : null

/** sun_path holds 104 bytes on macOS and 108 on Linux. */
const LONGEST_SOCKET = 100

/** A Caddy of our own is on this machine: over a Unix socket a call costs it less (docs/decisions/0010). */
function edgeOf(env: Environment): Config['edge'] {
  const path = resolve(env.VEIL_DATA_DIR, 'edge.sock')
  const isOurs = env.GATEWAY_ADMIN_URLS === undefined && env.EDGE_DIALS === undefined
  const socket = isOurs && Buffer.byteLength(path) <= LONGEST_SOCKET ? path : null
  const dial = socket ? `unix/${socket}` : `${reachable(env.VEIL_HOST)}:${env.EDGE_PORT}`
  return { port: env.EDGE_PORT, socket, dials: env.EDGE_DIALS ?? [dial] }
}

const gatewayOf = (env: Environment): Config['gateway'] => ({
  id: env.GATEWAY_ID,
  port: env.GATEWAY_PORT,
  adminPort: env.CADDY_ADMIN_PORT,
  adminUrls: env.GATEWAY_ADMIN_URLS ?? null,
  listen: env.GATEWAY_LISTEN ?? [`${bracketed(env.VEIL_HOST)}:${env.GATEWAY_PORT}`],
  publicUrl:
    env.GATEWAY_PUBLIC_URL ?? `http://${named(reachable(env.VEIL_HOST))}:${env.GATEWAY_PORT}`,
  keyHeader: env.KEY_HEADER,
  caddyBin: env.CADDY_BIN ?? null,
  permitPackageManager: env.PERMIT_PACKAGE_MANAGER,
  allowPrivateUpstreams: env.ALLOW_PRIVATE_UPSTREAMS ?? env.NODE_ENV !== 'production',
})
