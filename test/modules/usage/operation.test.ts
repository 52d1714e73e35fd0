import { describe, expect, test } from 'vitest'
import { operationOf } from '../../../src/modules/usage/operation'
import { nameOperations, type OperationSums } from '../../../src/modules/usage/tally'

describe('an operation is a method and a path without what names one thing', () => {
  test.each([
    ['/weather/forecast', '/weather/forecast'],
    ['/', '/'],
    ['/weather/v2/cities', '/weather/v2/cities'],
    ['/oauth2/token', '/oauth2/token'],
    ['/orders/42', '/orders/{id}'],
    ['/orders/42/lines/7/', '/orders/{id}/lines/{id}/'],
    ['/map/-12.5/48.1', '/map/{id}/{id}'],
    ['/users/0192f7a0-c1d4-7c3e-8f00-a1b2c3d4e5f6', '/users/{id}'],
    ['/users/0192F7A0C1D47C3E8F00A1B2C3D4E5F6/x', '/users/{id}/x'],
    ['/files/01ARZ3NDEKTSV4RRFFQ69G5FAV', '/files/{id}'],
    ['/users/ada@example.com', '/users/{id}'],
    ['/users/ada%40example.com', '/users/{id}'],
    ['/a-rather-long-name-without-any-digit', '/a-rather-long-name-without-any-digit'],
    [`/${'x'.repeat(60)}/y`, '/{id}/y'],
  ])('%s', (path, template) => expect(operationOf('GET', path)).toBe(`GET ${template}`))

  test('however long a path is, its operation is short', () => {
    expect(operationOf('GET', '/words'.repeat(1_000)).length).toBe(200)
  })
})

describe('the number of operations is limited', () => {
  const sums = (operation: string, calls = 1): OperationSums => ({
    ...{ api: 'a', hour: 'h', operation, calls, clientErrors: 1, serverErrors: 2, durationMs: 3 },
    ...{ requestBytes: 4, responseBytes: 5, latency: [0, calls] },
  })

  test('those beyond the limit are added up as one; none is lost', () => {
    const known = new Set(['GET /a', 'GET /b'])
    const named = nameOperations(
      ['GET /a', 'GET /c', 'GET /d', 'GET /e'].map((operation) => sums(operation)),
      () => known,
      3,
    )
    expect(named.map(({ operation, calls }) => [operation, calls])).toEqual([
      ['(other)', 2],
      ['GET /a', 1],
      ['GET /c', 1],
    ])
    expect(named[0]).toMatchObject({ serverErrors: 4, responseBytes: 10, latency: [0, 2] })
  })
})
