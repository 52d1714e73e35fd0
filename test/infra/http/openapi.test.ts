import { createConfig, lintFromString, type NormalizedProblem } from '@redocly/openapi-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildApp } from '#app/app'
import { readConfig } from '#app/config'
import { buildContainer } from '#app/container'
import { createLogger } from '#infra/logger'
import { freshDatabase, type TestDatabase } from '#test/database'

interface Operation {
  summary?: string
  'x-permission'?: string
  security: Record<string, unknown>[]
  parameters: { name: string; in: string }[]
  requestBody?: { content: { 'application/json': { schema: { $ref?: string } } } }
  responses: Record<string, { $ref?: string }>
}

interface Document {
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: {
    schemas: Record<string, { examples?: unknown[] }>
    responses: Record<string, { content: Record<string, unknown> }>
  }
}

let database: TestDatabase
let document: Document
let operations: [name: string, operation: Operation][]

beforeAll(async () => {
  database = await freshDatabase()
  const app = buildApp(
    buildContainer({
      config: readConfig({ NODE_ENV: 'test' }),
      database,
      logger: createLogger('silent'),
      secrets: { secret: 's'.repeat(32), usageTokens: ['t'.repeat(32)] },
      gatewayAdminUrls: ['http://127.0.0.1:2019'],
    }),
  )
  const response = await app.handle(new Request('http://localhost/swagger/json'))
  document = (await response.json()) as Document
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  )
})
afterAll(() => database.drop())

/** Every rule that Redocly recommends, with warnings as errors, and the examples of schemas. */
async function lint(source: Document): Promise<string[]> {
  const config = await createConfig({
    extends: ['recommended-strict'],
    rules: {
      'no-invalid-schema-examples': 'error',
      'no-invalid-media-type-examples': 'error',
      // A list that is open to all and takes no input cannot be refused; which operations those
      // are is checked below.
      'operation-4xx-response': 'off',
      // /payments/methods/{id} and /payments/{id}/refund: every id says by its prefix what it names.
      'no-ambiguous-paths': 'off',
    },
  })
  const problems = await lintFromString({ source: JSON.stringify(source), config })
  return problems.map(({ ruleId, message, location }: NormalizedProblem) => {
    return `${ruleId}: ${message} at ${location[0]?.pointer}`
  })
}

const statuses = ({ responses }: Operation) => Object.keys(responses)

/** The names of the operations that break a rule. */
const breaking = (isBroken: (operation: Operation) => boolean) =>
  operations.filter(([, operation]) => isBroken(operation)).map(([name]) => name)

describe('the API document', () => {
  test('passes the linter without an error or a warning', async () => {
    expect(await lint(document)).toEqual([])
  })

  test('is really linted: a wrong example and a missing description are found', async () => {
    const broken = structuredClone(document)
    broken.components.schemas.ApiInput!.examples = [{ name: 7 }]
    broken.tags.push({ name: 'Nameless' })
    const found = (await lint(broken)).join('\n')
    expect(found).toContain('no-invalid-schema-examples')
    expect(found).toContain('tag-description')
  })

  test('says of each operation in one line what it does and who may call it', () => {
    expect(operations.length).toBeGreaterThan(30)
    expect(breaking(({ summary }) => !summary || summary.endsWith('.'))).toEqual([])
    expect(breaking((operation) => !operation['x-permission'])).toEqual([])
  })

  test('knows the refusals of everything that needs a token', () => {
    const guarded = operations.filter(([, { security }]) => security.length > 0)
    expect(guarded.length).toBeGreaterThan(20)
    for (const [name, operation] of guarded) {
      expect(statuses(operation), name).toContain('401')
      // A gateway has one token and no roles.
      if (!operation.security.some((scheme) => 'gateway' in scheme))
        expect(statuses(operation), name).toContain('403')
    }
  })

  test('describes every failure as problem+json', () => {
    for (const [name, { responses }] of operations) {
      const failures = Object.entries(responses).filter(([status]) => Number(status) >= 400)
      expect(
        failures.map(([status]) => status),
        name,
      ).toContain('500')
      for (const [, { $ref = '' }] of failures) {
        const component = document.components.responses[$ref.split('/').at(-1) ?? '']
        expect(Object.keys(component?.content ?? {}), name).toEqual(['application/problem+json'])
      }
    }
  })

  test('has a 4xx wherever there is something to refuse', () => {
    const harmless = breaking((operation) => !statuses(operation).some((s) => s.startsWith('4')))
    for (const name of harmless) {
      const [, operation] = operations.find(([other]) => other === name)!
      expect(operation, name).toMatchObject({ security: [], parameters: [] })
      expect(operation.requestBody, name).toBeUndefined()
    }
  })

  test('has an example for every request body', () => {
    const withBody = operations.filter(([, { requestBody }]) => requestBody)
    expect(withBody.length).toBeGreaterThan(10)
    for (const [name, { requestBody }] of withBody) {
      const { $ref = '' } = requestBody?.content['application/json'].schema ?? {}
      const schema = document.components.schemas[$ref.split('/').at(-1) ?? '']
      expect(schema?.examples?.length, name).toBeGreaterThan(0)
    }
  })
})
