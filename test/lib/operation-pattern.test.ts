import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { invariant } from '#lib/errors'
import { matchesOperation, parseOperationPattern, segmentsOf } from '#lib/operation-pattern'

const allows = (pattern: string, method: string, path: string) => {
  const segments = segmentsOf(path)
  const parsed = invariant(parseOperationPattern(pattern), pattern)
  return segments !== null && matchesOperation([parsed], method, segments)
}

describe('a pattern', () => {
  test.each<[string, string, string, boolean]>([
    ['GET /cities/*', 'GET', '/cities/7', true],
    ['GET /cities/*', 'GET', '/cities/7/', true],
    ['GET /cities/*', 'GET', '/cities/a%20b', true],
    ['GET /cities/*', 'GET', '/%63ities/7', true],
    ['GET /cities/*', 'POST', '/cities/7', false],
    ['GET /cities/*', 'get', '/cities/7', false],
    ['GET /cities/*', 'GET', '/cities', false],
    ['GET /cities/*', 'GET', '/cities/', false],
    ['GET /cities/*', 'GET', '/cities/7/8', false],
    ['GET /cities/*', 'GET', '/Cities/7', false],
    ['GET /cities/*', 'GET', '/citiesX/7', false],
    ['* /reports/**', 'DELETE', '/reports', true],
    ['* /reports/**', 'GET', '/reports/a/b/c', true],
    ['* /reports/**', 'GET', '/reportsX', false],
    ['* /**', 'GET', '', true],
    ['* /**', 'GET', '/x', true],
    ['GET /', 'GET', '', true],
    ['GET /', 'GET', '/', true],
    ['GET /', 'GET', '/x', false],
    ['GET /*/b', 'GET', '/a/b', true],
    ['GET /*/b', 'GET', '//b', false],
  ])('%s, %s %s: %s', (pattern, method, path, allowed) => {
    expect(allows(pattern, method, path)).toBe(allowed)
  })

  test.each([
    '',
    '/cities',
    'GET',
    'GET cities',
    'get /cities',
    'GET  /cities',
    'GET /a//b',
    'GET /../a',
    'GET /a%2fb',
    'GET /a*',
    'GET /**/a',
    'GET /%zz',
    'GET /a?b',
  ])('%j is none', (text) => {
    expect(parseOperationPattern(text)).toBeNull()
  })
})

/** Ways to write something that a server may take for a separator, or for a step upwards. */
const TRICK = fc.constantFrom(
  ...['/../', '/%2e%2e/', '/.%2E/', '/..%2f', '%2F', '%2f..%2f', '%5c', '\\', '/%5C..%5c', '//'],
  ...['/./', '/..;/', '/;/', '/;a=b/', '%252f', '%252e%252e%252f', '%c0%af', '%00', '%0a', '%zz'],
)
const WORD = fc.stringMatching(/^[a-z0-9._~-]{0,6}$/)

test('no trick with encodings, slashes or dots passes any pattern', () => {
  fc.assert(
    fc.property(WORD, TRICK, WORD, WORD, (before, trick, after, last) => {
      for (const path of [
        `/cities/${before}${trick}${after}`,
        `/cities/${before}${trick}${after}/${last}`,
        `${trick}${after}/cities/${before}`,
      ]) {
        expect({ path, segments: segmentsOf(path) }).toEqual({ path, segments: null })
      }
    }),
    { numRuns: 1_000 },
  )
})

/** What a server makes of a path that decodes it as often as it can and resolves it. */
function asReadBy(path: string): string {
  let text = path
  for (let times = 0; times < 3; times++)
    text = text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number(`0x${hex}`)))
  const out: string[] = []
  for (const part of text.replaceAll('\\', '/').split('/')) {
    const name = part.replace(/;.*/, '')
    if (name === '..') out.pop()
    else if (name !== '' && name !== '.') out.push(name)
  }
  return `/${out.join('/')}`
}

test('what is let below /public is below /public for the most generous server too', () => {
  const part = fc.oneof(
    WORD,
    TRICK,
    fc.constantFrom('/', 'public', 'secret', '..', '%2e', ';', '%25', '%32'),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const path = `/${parts.join('')}`
      if (allows('* /public/**', 'GET', path)) expect(asReadBy(path)).toMatch(/^\/public(\/|$)/)
      const below = `/public/${parts.join('')}`
      if (allows('* /public/**', 'GET', below)) expect(asReadBy(below)).toMatch(/^\/public(\/|$)/)
    }),
    { numRuns: 3_000 },
  )
})
