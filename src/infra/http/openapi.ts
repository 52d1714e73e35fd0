import type { TObject, TSchema } from '@sinclair/typebox'
import { type Access, hasPermission, ROLES } from '#lib/access'
import { problemComponents, problemReferences, problemStatuses } from './openapi-problems'
import type { Route } from './route'

export interface OpenApiInfo {
  title: string
  version: string
  description: string
  /** The tags of the routes, in the order in which they are shown; others follow. */
  tags?: { name: string; description: string }[]
}

type Json = Record<string, unknown>

/**
 * The OpenAPI 3.1 document, made from the same table that is mounted, so the two cannot differ.
 * A schema with an `$id` becomes a component; TypeBox schemas are JSON Schema already.
 */
export function openApiDocument({ tags = [], ...info }: OpenApiInfo, routes: Route[]): Json {
  const schemas: Json = {}
  const paths: Record<string, Json> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:([^/]+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, schemas) }
  }
  const described = new Set(tags.map(({ name }) => name))
  const undescribed = [...new Set(routes.map(({ tag }) => tag))]
    .filter((tag) => !described.has(tag))
    .map((name) => ({ name }))
  const statuses = new Set(routes.flatMap(problemStatuses))
  return {
    openapi: '3.1.0',
    info: { ...info, license: { name: 'Proprietary', identifier: 'LicenseRef-Veil' } },
    servers: [{ url: '/', description: 'This installation' }],
    tags: [...tags, ...undescribed],
    paths,
    components: {
      responses: problemComponents(statuses, (schema) => hoist(schema, schemas)),
      schemas,
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: '`accessToken` of POST /auth/login or POST /auth/register.',
        },
        gateway: {
          type: 'http',
          scheme: 'bearer',
          description: 'The token of a gateway (USAGE_TOKENS), for machines only.',
        },
      },
    },
  }
}

function operation(route: Route, schemas: Json): Json {
  const { spec, tag } = route
  const who = whoMay(spec.permission)
  return {
    tags: [tag],
    operationId: operationId(route),
    summary: spec.summary,
    description: spec.description ? `${spec.description}\n\n${who}` : who,
    'x-permission': spec.permission,
    security: security(spec.permission),
    parameters: parameters(route, schemas),
    ...(spec.body && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: hoist(spec.body, schemas) } },
      },
    }),
    responses: {
      ...success(route, schemas),
      ...problemReferences(problemStatuses(route)),
    },
  }
}

function whoMay(access: Access): string {
  if (access === 'public') return 'Open to everybody: no token needed.'
  if (access === 'gateway') return 'Needs the token of a gateway.'
  const roles = ROLES.filter((role) => hasPermission([role], access)).join(', ')
  return `Needs the permission \`${access}\` (${roles}).`
}

function security(access: Access): Json[] {
  if (access === 'public') return []
  return [{ [access === 'gateway' ? 'gateway' : 'bearer']: [] }]
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
    ...(spec.ifMatch
      ? [header('If-Match', 'The ETag that you have read, such as `"1"`.', true)]
      : []),
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

function success({ spec }: Route, schemas: Json): Json {
  const status = spec.status ?? 200
  if (status === 204) return { [status]: { description: 'Done.' } }
  const content = { schema: spec.response ? hoist(spec.response, schemas) : {} }
  const mediaTypes = spec.mediaTypes ?? ['application/json']
  return {
    [status]: {
      description: spec.response?.description ?? 'Success.',
      content: Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, content])),
    },
  }
}

/** Moves every schema that has an `$id` to the components and leaves a reference. */
function hoist(schema: TSchema, schemas: Json): Json {
  const walk = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(walk)
    if (node === null || typeof node !== 'object') return node
    const { $id, ...rest } = node as { $id?: string }
    const plain = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, walk(value)]))
    if ($id === undefined) return plain
    const known = schemas[$id]
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(plain))
      throw new Error(`two schemas of the API are called ${$id}`)
    schemas[$id] = plain
    return { $ref: `#/components/schemas/${$id}` }
  }
  return walk(schema) as Json
}
