import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ENVIRONMENT } from '#app/config'
import type { ErrorKind } from '#lib/errors'
import { statusOf } from '../src/infra/http/problem'
import { REFUSALS } from '../src/modules/gateway/authorize-refusal'

const ROOT = resolve(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const filesUnder = (folder: string, ending: string) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => join(folder, file))

/** The first two cells of each row of a file's tables that match. */
const rows = (file: string, row: RegExp): [string, string][] =>
  read(file)
    .split('\n')
    .flatMap((line) => {
      const [, first = '', second = ''] = row.exec(line) ?? []
      return first ? [[first, second] as [string, string]] : []
    })

test('the configuration table of the README is that of the code, defaults included', () => {
  const documented = rows('README.md', /^\| `([A-Z_]+)` \| (?:`(.*?)`|–) \|/)
  const actual = Object.entries(ENVIRONMENT.shape).map(([name, schema]) => {
    const value: unknown = schema.safeParse(undefined).data
    const text = Array.isArray(value) ? value.join(',') : String(value ?? '')
    return [name, text]
  })
  expect(documented.toSorted()).toEqual(actual.toSorted())
})

describe('the tables of errors', () => {
  /** Stop the start or belong to a log line. */
  const NOT_OVER_HTTP = ['first_admin_email_taken', 'malformed_access_log_line']

  test('hold every error class of the REST API with its status, and no other', () => {
    const classes = filesUnder('src', '.ts').flatMap((file) =>
      [...read(file).matchAll(/class \w+ extends (AppError|GatewayFailure) \{([^}]*?)constructor/g)]
        .map(([, base = '', head = '']) => ({
          code: /code = '(\w+)'/.exec(head)?.[1],
          kind: (base === 'AppError'
            ? /kind = '(\w+)'/.exec(head)?.[1]
            : 'unavailable') as ErrorKind,
        }))
        .filter(({ code }) => code !== undefined && !NOT_OVER_HTTP.includes(code)),
    )
    expect(classes.length).toBeGreaterThan(35)
    const expected = new Set(classes.map(({ code, kind }) => `${statusOf(kind)} ${code}`))
    // These have no class of their own, or one class for several codes.
    for (const code of ['token_missing', 'token_invalid', 'token_expired'])
      expected.add(`401 ${code}`)
    expected.add('405 method_not_allowed').add('500 internal_error')
    const documented = rows('docs/errors.md', /^\| (\d{3}) \| `(\w+)` \|/).map((row) =>
      row.join(' '),
    )
    expect(documented.toSorted()).toEqual([...expected].toSorted())
  })

  test('hold every refusal of the gateway with its status, and no other', () => {
    const configured = [
      ...read('src/modules/gateway/route-problem.ts').matchAll(/status: (\d+),\s+code: '(\w+)'/g),
    ].map(([, status, code]) => `${status} ${code}`)
    const decided = Object.entries(REFUSALS).map(([code, { status }]) => `${status} ${code}`)
    const documented = rows('docs/gateway.md', /^\| (\d{3}) \| `(\w+)` \|/).map((row) =>
      row.join(' '),
    )
    expect(configured.length).toBeGreaterThan(8)
    expect(documented.toSorted()).toEqual([...new Set([...configured, ...decided])].toSorted())
  })
})

test('every link to a file or a heading leads somewhere', () => {
  const anchors = (file: string) =>
    [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    )
  const broken = ['README.md', 'CHANGELOG.md', ...filesUnder('docs', '.md')].flatMap((file) =>
    [...read(file).matchAll(/\]\(([^)]+)\)/g)]
      .map(([, link = '']) => link)
      .filter((link) => !/^https?:/.test(link))
      .filter((link) => {
        const [path = '', anchor] = link.split('#')
        const target = path === '' ? file : join(dirname(file), path)
        if (!existsSync(join(ROOT, target))) return true
        return anchor !== undefined && !anchors(target).includes(anchor)
      })
      .map((link) => `${file}: ${link}`),
  )
  expect(broken).toEqual([])
})
