import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { pricingDiff, readPricingFile } from '#modules/pricing'
import { keepInForce } from '../../../src/modules/pricing/in-force'

const GOOD = readFileSync('pricing.yaml', 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'veil-check-'))
const file = join(folder, 'pricing.yaml')
afterAll(() => rmSync(folder, { recursive: true }))

function check(text: string, ...args: string[]) {
  writeFileSync(file, text)
  const env = { ...process.env, VEIL_DATA_DIR: folder, PRICING_FILE: file }
  const given = args.length > 0 ? args : ['check']
  const { status, stdout, stderr } = spawnSync(
    ...([process.execPath, ['scripts/pricing.ts', ...given], { env, encoding: 'utf8' }] as const),
  )
  return { status, stdout, stderr }
}

test('a right file is right, whether anything is in force or not', () => {
  expect(check(GOOD)).toMatchObject({
    status: 0,
    stdout: `${file} is right.\nNothing was put in force here yet.\n`,
  })
  keepInForce(folder, readPricingFile(file))
  expect(check(GOOD).stdout).toBe(`${file} is right.\nIt is what is in force.\n`)
})

test('what would change is shown, and the file may be named', () => {
  const changed = GOOD.replace('flatFee: 2900', 'flatFee: 3900')
  expect(check(changed, 'check', file)).toMatchObject({
    status: 0,
    stdout: `${file} is right.\nIt would change:\n~ planTemplates.pro.flatFee: 2900 → 3900\n`,
  })
})

test('a wrong file ends with 1, each mistake with its line; so does a wrong command', () => {
  const { status, stderr } = check(GOOD.replace('flatFee: 2900', 'flatFee: -1'))
  expect(status).toBe(1)
  expect(stderr).toMatch(/is wrong:\n {2}- line \d+: planTemplates\.pro\.flatFee: /)
  expect(check(GOOD, 'check', '/nowhere.yaml')).toMatchObject({ status: 1 })
  expect(check(GOOD, 'apply')).toMatchObject({
    status: 1,
    stderr: 'Usage: npm run pricing -- check [file]\n',
  })
})

test.each([
  [{ a: 1 }, { a: 1 }, []],
  [{}, { a: { b: [1, 2] } }, ['+ a.b.0: 1', '+ a.b.1: 2']],
  [{ a: [], c: null }, { a: [] }, ['- c: null']],
  [{ a: 'x' }, { a: 'y' }, ['~ a: "x" → "y"']],
  [{ a: [] }, { a: [1] }, ['- a: []', '+ a.0: 1']],
])('%j to %j', (before, after, lines) => {
  expect(pricingDiff(before, after)).toEqual(lines)
})
