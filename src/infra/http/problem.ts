import { Type as t } from '@sinclair/typebox'
import type { AppError, ErrorKind, FieldError } from '#lib/errors'

const STATUS: Record<ErrorKind, number> = {
  malformed: 400,
  unauthenticated: 401,
  payment_required: 402,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported: 415,
  invalid: 422,
  unprocessable: 422,
  precondition_required: 428,
  too_many_requests: 429,
  bad_gateway: 502,
  unavailable: 503,
}

const TITLE: Record<number, string> = {
  400: 'Bad request',
  401: 'Not authenticated',
  402: 'Payment required',
  403: 'Not permitted',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  412: 'Precondition failed',
  413: 'Too large',
  415: 'Unsupported',
  422: 'Invalid input',
  428: 'Precondition required',
  429: 'Too many requests',
  500: 'Internal error',
  502: 'Bad gateway',
  503: 'Unavailable',
}

/** The body of every error, RFC 9457. */
export const ProblemSchema = t.Object(
  {
    type: t.String({ format: 'uri-reference', description: 'Names the kind of problem.' }),
    title: t.String(),
    status: t.Integer(),
    detail: t.String({ description: 'What is wrong and how to mend it.' }),
    instance: t.String({ description: 'The path that was asked for.' }),
    code: t.String({ description: 'Stable, for programs.' }),
    requestId: t.String({ description: 'Quote it when you ask for help.' }),
    errors: t.Optional(
      t.Array(
        t.Object({
          in: t.String({ description: 'body, query, path or header' }),
          pointer: t.String({ description: 'JSON pointer (RFC 6901) to the mistake.' }),
          message: t.String(),
        }),
      ),
    ),
  },
  { $id: 'Problem', description: 'An error (RFC 9457, application/problem+json).' },
)

export interface ProblemParts {
  status: number
  code: string
  detail: string
  errors?: FieldError[]
  retryAfter?: number | undefined
  headers?: Record<string, string>
}

export const statusOf = (kind: ErrorKind): number => STATUS[kind]
export const titleOf = (status: number): string => TITLE[status] ?? 'Error'

export function partsOf(error: AppError): ProblemParts {
  return {
    status: statusOf(error.kind),
    code: error.code,
    detail: error.message,
    errors: error.errors,
    retryAfter: error.retryAfter,
  }
}

export function problemResponse(
  parts: ProblemParts,
  where: { instance: string; requestId: string },
): Response {
  const { status, code, detail, errors, retryAfter } = parts
  const body = {
    type: `urn:veil:problem:${code}`,
    title: titleOf(status),
    status,
    detail,
    instance: where.instance,
    code,
    requestId: where.requestId,
    ...(errors && errors.length > 0 ? { errors } : {}),
  }
  const headers = new Headers({
    ...parts.headers,
    'content-type': 'application/problem+json',
    'x-request-id': where.requestId,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  if (status === 401) headers.set('www-authenticate', 'Bearer realm="veil"')
  if (retryAfter !== undefined) headers.set('retry-after', String(retryAfter))
  return new Response(JSON.stringify(body), { status, headers })
}
