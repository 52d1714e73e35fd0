import { z } from 'zod'

export const ROLES = ['api', 'worker', 'cron', 'edge'] as const
export type ProcessRole = (typeof ROLES)[number]

const port = z.coerce.number().int().min(1).max(65_535)
const list = (text: string) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean)
const flag = z.enum(['true', 'false']).transform((text) => text === 'true')
const http = z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// address' })

const Environment = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  VEIL_ROLES: z
    .string()
    .default(ROLES.join(','))
    .transform(list)
    .pipe(z.array(z.enum(ROLES)).min(1)),
  VEIL_HOST: z.string().min(1).default('127.0.0.1'),
  PORT: port.default(3000),
  GATEWAY_PORT: port.default(8080),
  CADDY_ADMIN_PORT: port.default(2019),
  EDGE_PORT: port.default(3001),
  POSTGRES_PORT: port.optional(),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must begin with postgres://')
    .optional(),
  GATEWAY_ADMIN_URLS: z.string().transform(list).pipe(z.array(http).min(1)).optional(),
  GATEWAY_LISTEN: z.string().transform(list).pipe(z.array(z.string()).min(1)).optional(),
  GATEWAY_PUBLIC_URL: http.optional(),
  EDGE_DIALS: z.string().transform(list).pipe(z.array(z.string()).min(1)).optional(),
  GATEWAY_ID: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'must be lower-case letters, digits and hyphens')
    .default('gateway-1'),
  KEY_HEADER: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]*$/, 'must be a header name')
    .default('X-API-Key'),
  USAGE_LOG: z.string().optional(),
  USAGE_URL: http.optional(),
  USAGE_TOKENS: z
    .string()
    .transform(list)
    .pipe(z.array(z.string().min(32)).min(1))
    .optional(),
  CADDY_BIN: z.string().optional(),
  PERMIT_PACKAGE_MANAGER: flag.default(true),
  VEIL_DATA_DIR: z.string().min(1).default('.veil'),
  VEIL_SECRET: z.string().min(32, 'must have at least 32 characters').optional(),
  PRICING_FILE: z.string().min(1).default('pricing.yaml'),
  ADMIN_EMAIL: z.email().default('admin@veil.local'),
  ADMIN_PASSWORD: z.string().min(12, 'must have at least 12 characters').optional(),
  ALLOW_PRIVATE_UPSTREAMS: flag.optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('warn'),
})

export interface Config {
  production: boolean
  roles: ProcessRole[]
  host: string
  port: number
  logLevel: string
  dataDir: string
  /** Null where it is made at the first start and kept in the data folder. */
  secret: string | null
  pricingFile: string
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
  edge: { port: number; dials: string[] }
  usage: { log: string | null; url: string; tokens: string[] | null }
}

/** All that is wrong with the environment, at once. */
export class ConfigError extends Error {
  constructor(readonly mistakes: string[]) {
    super(`The environment is wrong:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

type Environment = z.infer<typeof Environment>

/** Reads the environment; the only place that does. Throws a {@link ConfigError}. */
export function readConfig(environment: Record<string, string | undefined> = process.env): Config {
  // An empty variable, as `docker compose` passes on, is one that was not set.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const parsed = Environment.safeParse(given)
  const mistakes = parsed.success
    ? missingInProduction(parsed.data)
    : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  if (!parsed.success || mistakes.length > 0) throw new ConfigError(mistakes)
  return toConfig(parsed.data)
}

/** In production nothing is made up: a secret that is lost with the data folder is no secret. */
function missingInProduction(env: Environment): string[] {
  if (env.NODE_ENV !== 'production') return []
  const needed = ['VEIL_SECRET', 'DATABASE_URL', 'ADMIN_PASSWORD', 'USAGE_TOKENS'] as const
  return needed
    .filter((name) => env[name] === undefined)
    .map((name) => `${name}: must be set when NODE_ENV=production`)
}

function toConfig(env: Environment): Config {
  const production = env.NODE_ENV === 'production'
  return {
    production,
    roles: env.VEIL_ROLES,
    host: env.VEIL_HOST,
    port: env.PORT,
    logLevel: env.LOG_LEVEL,
    dataDir: env.VEIL_DATA_DIR,
    secret: env.VEIL_SECRET ?? null,
    pricingFile: env.PRICING_FILE,
    admin: { email: env.ADMIN_EMAIL, password: env.ADMIN_PASSWORD ?? null },
    database: { url: env.DATABASE_URL ?? null, port: env.POSTGRES_PORT ?? null },
    gateway: {
      id: env.GATEWAY_ID,
      port: env.GATEWAY_PORT,
      adminPort: env.CADDY_ADMIN_PORT,
      adminUrls: env.GATEWAY_ADMIN_URLS ?? null,
      listen: env.GATEWAY_LISTEN ?? [`${env.VEIL_HOST}:${env.GATEWAY_PORT}`],
      publicUrl: env.GATEWAY_PUBLIC_URL ?? `http://localhost:${env.GATEWAY_PORT}`,
      keyHeader: env.KEY_HEADER,
      caddyBin: env.CADDY_BIN ?? null,
      permitPackageManager: env.PERMIT_PACKAGE_MANAGER,
      allowPrivateUpstreams: env.ALLOW_PRIVATE_UPSTREAMS ?? !production,
    },
    edge: { port: env.EDGE_PORT, dials: env.EDGE_DIALS ?? [`127.0.0.1:${env.EDGE_PORT}`] },
    usage: {
      log: env.USAGE_LOG ?? null,
      url: env.USAGE_URL ?? `http://127.0.0.1:${env.PORT}`,
      tokens: env.USAGE_TOKENS ?? null,
    },
  }
}
