import { ProblemSchema, titleOf } from './problem'
import type { Route } from './route'

type Json = Record<string, unknown>

interface ProblemOfStatus {
  description: string
  /** A code and a text that this status is often seen with. */
  code: string
  detail: string
  headers?: Record<string, string>
}

const RETRY_AFTER = { 'Retry-After': 'Seconds after which to try again.' }

const PROBLEM_OF_STATUS: Record<number, ProblemOfStatus> = {
  400: {
    description: 'The request cannot be read.',
    code: 'malformed_body',
    detail: 'The body cannot be read: send well-formed JSON with Content-Type: application/json.',
  },
  401: {
    description: 'No proof of who is calling, or one that is not valid.',
    code: 'token_missing',
    detail: 'Send an access token: Authorization: Bearer <token> from POST /auth/login.',
    headers: { 'WWW-Authenticate': 'The scheme to use: Bearer.' },
  },
  402: {
    description: 'The payment was declined.',
    code: 'payment_declined',
    detail:
      'The payment pay_0192f7a0c1d47c3e8f00a1b2c3d4e5f6 was declined: insufficient funds. Add another card, or pay with POST /payments and "via": "checkout".',
  },
  403: {
    description: 'None of your roles has the permission.',
    code: 'permission_missing',
    detail: 'This needs the permission catalog:write, which none of your roles has.',
  },
  404: {
    description: 'No such resource, or it is not yours.',
    code: 'api_unknown',
    detail: 'There is no API api_0192f7a0c1d47c3e8f00a1b2c3d4e5f6 that you may see.',
  },
  409: {
    description: 'It conflicts with the present state.',
    code: 'slug_taken',
    detail: 'The slug weather belongs to another API; choose another one.',
  },
  412: {
    description: 'Somebody changed it since you read it.',
    code: 'version_conflict',
    detail:
      'api_0192f7a0c1d47c3e8f00a1b2c3d4e5f6 is no longer at version 3: read it again, then send your change.',
  },
  413: {
    description: 'The body is larger than 4 MiB.',
    code: 'body_too_large',
    detail: 'The body may have at most 4194304 bytes.',
  },
  415: {
    description: 'The body is packed in a way that we cannot unpack.',
    code: 'encoding_unknown',
    detail: 'Send the body plain or with Content-Encoding: gzip.',
  },
  422: {
    description: 'The input has the wrong shape; `errors` says where.',
    code: 'invalid_input',
    detail: 'The request does not have the shape this route asks for: see body/name.',
  },
  428: {
    description: 'If-Match is missing.',
    code: 'version_missing',
    detail: 'Send If-Match with the ETag (version) that you have read, so that no edit is lost.',
  },
  429: {
    description: 'Too many requests.',
    code: 'login_locked',
    detail: 'Too many failed logins in a row; try again in 900 seconds.',
    headers: RETRY_AFTER,
  },
  500: {
    description: 'Something went wrong on our side.',
    code: 'internal_error',
    detail: 'Something went wrong on our side; it has been logged under this request id.',
  },
  503: {
    description:
      'A part that is needed is away; nothing was changed, the same request may be sent again.',
    code: 'gateway_unavailable',
    detail: 'The gateway did not take the change, so nothing was changed.',
    headers: RETRY_AFTER,
  },
}

/** The problems that an operation may answer with: those it states and those that follow from its spec. */
export function problemStatuses({ spec }: Route): number[] {
  const found = new Set(spec.problems)
  const authenticated = spec.permission !== 'public'
  const takesInput = spec.params ?? spec.query ?? spec.body
  if (authenticated) found.add(401)
  if (authenticated && spec.permission !== 'gateway') found.add(403)
  if (takesInput) found.add(422)
  if (spec.body) found.add(400).add(413).add(415)
  if (spec.params) found.add(404)
  if (spec.idempotent) found.add(409).add(422)
  if (spec.ifMatch) found.add(412).add(428)
  return [...found, 500].sort((a, b) => a - b)
}

const nameOf = (status: number): string => `Problem${status}`

/** References to {@link problemComponents}, by status. */
export function problemReferences(statuses: number[]): Json {
  return Object.fromEntries(
    statuses.map((status) => [status, { $ref: `#/components/responses/${nameOf(status)}` }]),
  )
}

/** One reusable response for each status; `hoist` puts the shared schema among the components. */
export function problemComponents(
  statuses: Iterable<number>,
  hoist: (schema: typeof ProblemSchema) => unknown,
): Json {
  const schema = hoist(ProblemSchema)
  const sorted = [...statuses].sort((a, b) => a - b)
  return Object.fromEntries(sorted.map((status) => [nameOf(status), component(status, schema)]))
}

function component(status: number, schema: unknown): Json {
  const problem = PROBLEM_OF_STATUS[status]
  if (!problem) throw new Error(`the API document has no words for status ${status}`)
  const { description, headers = {} } = problem
  return {
    description,
    headers: Object.fromEntries(
      Object.entries({ 'X-Request-Id': 'Quote it when you ask for help.', ...headers }).map(
        ([name, text]) => [name, { description: text, schema: { type: 'string' } }],
      ),
    ),
    content: { 'application/problem+json': { schema, example: example(status, problem) } },
  }
}

function example(status: number, { code, detail }: ProblemOfStatus): Json {
  return {
    type: `urn:veil:problem:${code}`,
    title: titleOf(status),
    status,
    detail,
    instance: '/the/path/asked/for',
    code,
    requestId: '0192f7a0c1d47c3e8f00a1b2c3d4e5f6',
    ...(status === 422 && {
      errors: [{ in: 'body', pointer: '/name', message: 'Required property' }],
    }),
  }
}
