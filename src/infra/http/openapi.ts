import type { TObject, TSchema } from '@sinclair/typebox'
import { ProblemSchema } from './problem'
import type { Route } from './route'

export interface OpenApiInfo {
  title: string
  version: string
  description: string
}

type Json = Record<string, unknown>

const PROBLEM_OF_STATUS: Record<number, string> = {
  400: 'The request cannot be read.',
  401: 'No access token, or one that is not valid.',
  403: 'None of your roles has the permission.',
  404: 'No such resource, or it is not yours.',
  409: 'It conflicts with the present state, or the same Idempotency-Key is still running.',
  412: 'Somebody changed it since you read it.',
  413: 'The body is too large.',
  422: 'The input has the wrong shape; `errors` says where.',
  428: 'If-Match is missing.',
  429: 'Too many requests; Retry-After says when to come back.',
  500: 'Something went wrong on our side.',
  503: 'A part that is needed is away; nothing was changed, the same request may be sent again.',
}

/**
 * The OpenAPI 3.1 document, made from the same table that is mounted, so the two cannot differ.
 * A schema with an `$id` becomes a component; TypeBox schemas are JSON Schema already.
 */
export function openApiDocument(info: OpenApiInfo, routes: Route[]): Json {
  const schemas: Json = {}
  const paths: Record<string, Json> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:([^/]+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, schemas) }
  }
  const tags = [...new Set(routes.map((route) => route.tag))].map((name) => ({ name }))
  return {
    openapi: '3.1.0',
    info: { ...info, license: { name: 'Proprietary', identifier: 'LicenseRef-Veil' } },
    servers: [{ url: '/' }],
    tags,
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        gateway: { type: 'http', scheme: 'bearer', description: 'The machine token.' },
      },
    },
  }
}

function operation(route: Route, schemas: Json): Json {
  const { spec, tag } = route
  const isPublic = spec.permission === 'public'
  const scheme = spec.permission === 'gateway' ? 'gateway' : 'bearer'
  const who = isPublic ? 'Needs no token.' : `Needs \`${spec.permission}\`.`
  return {
    tags: [tag],
    operationId: operationId(route),
    summary: spec.summary,
    description: spec.description ? `${spec.description}\n\n${who}` : who,
    'x-permission': spec.permission,
    security: isPublic ? [] : [{ [scheme]: [] }],
    parameters: parameters(route, schemas),
    ...(spec.body && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: hoist(spec.body, schemas) } },
      },
    }),
    responses: responses(route, schemas),
  }
}

function operationId(route: Route): string {
  const words = route.path.split(/[/:.-]+/).filter(Boolean)
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1)
  return route.method.toLowerCase() + words.map(capital).join('')
}

function parameters(route: Route, schemas: Json): Json[] {
  const { spec } = route
  const header = (name: string, description: string, required: boolean) => ({
    name,
    in: 'header',
    description,
    required,
    schema: { type: 'string' },
  })
  return [
    ...listed('path', spec.params, schemas),
    ...listed('query', spec.query, schemas),
    ...(spec.idempotent
      ? [header('Idempotency-Key', 'Sent again, the first answer is replayed (24 h).', false)]
      : []),
    ...(spec.ifMatch ? [header('If-Match', 'The ETag that you have read.', true)] : []),
  ]
}

function listed(place: 'path' | 'query', shape: TObject | undefined, schemas: Json): Json[] {
  return Object.entries(shape?.properties ?? {}).map(([name, schema]) => ({
    name,
    in: place,
    required: place === 'path' || (shape?.required ?? []).includes(name),
    ...(schema.description && { description: schema.description }),
    schema: hoist(schema, schemas),
  }))
}

function responses(route: Route, schemas: Json): Json {
  const { spec } = route
  const status = spec.status ?? 200
  const mediaType = spec.mediaType ?? 'application/json'
  const answers: Json = {
    [status]: {
      description: status === 204 ? 'Done.' : (spec.response?.description ?? 'Success.'),
      ...(status !== 204 && {
        content: { [mediaType]: { schema: spec.response ? hoist(spec.response, schemas) : {} } },
      }),
    },
  }
  for (const problem of problemStatuses(route)) {
    answers[problem] = {
      description: PROBLEM_OF_STATUS[problem] ?? 'A problem.',
      content: { 'application/problem+json': { schema: hoist(ProblemSchema, schemas) } },
    }
  }
  return answers
}

function problemStatuses({ spec }: Route): number[] {
  const found = new Set(spec.problems)
  const authenticated = spec.permission !== 'public'
  const takesInput = spec.params ?? spec.query ?? spec.body
  if (authenticated) found.add(401)
  if (authenticated && spec.permission !== 'gateway') found.add(403)
  if (takesInput) found.add(422)
  if (spec.body) found.add(400)
  if (spec.params) found.add(404)
  if (spec.idempotent) found.add(409).add(422)
  if (spec.ifMatch) found.add(412).add(428)
  return [...found, 500].sort((a, b) => a - b)
}

/** Moves every schema that has an `$id` to the components and leaves a reference. */
function hoist(schema: TSchema, schemas: Json): Json {
  const walk = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(walk)
    if (node === null || typeof node !== 'object') return node
    const { $id, ...rest } = node as { $id?: string }
    const plain = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, walk(value)]))
    if ($id === undefined) return plain
    schemas[$id] ??= plain
    return { $ref: `#/components/schemas/${$id}` }
  }
  return walk(schema) as Json
}
