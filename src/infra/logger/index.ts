import pino from 'pino'
import { currentContext } from './context'

export { currentContext, type RequestContext, runInContext, setContextUser } from './context'

export type Logger = pino.Logger

/** Wherever one of these stands in what is logged, its value does not. */
const SECRET_FIELDS = [
  'password',
  'newPassword',
  'token',
  'accessToken',
  'refreshToken',
  'secret',
  'clientSecret',
  'key',
  'apiKey',
  'authorization',
  'cookie',
  'email',
]
const PATHS = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`])

/** JSON lines on standard error: standard output belongs to the person who typed the command. */
export function createLogger(
  level: string,
  destination: pino.DestinationStream = pino.destination(2),
): Logger {
  return pino(
    {
      level,
      base: {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: [...PATHS, 'headers["x-api-key"]', '*.headers["x-api-key"]'] },
      mixin: () => currentContext() ?? {},
    },
    destination,
  )
}
