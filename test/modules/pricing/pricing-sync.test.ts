import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { eventually } from '#test/poll'
import { type TestUser, TestVeil } from '#test/veil'

const GOOD = readFileSync('pricing.yaml', 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'veil-pricing-'))
const file = join(folder, 'pricing.yaml')
const write = (text: string) => writeFileSync(file, text)

let veil: TestVeil
let admin: TestUser

beforeAll(async () => {
  write(GOOD)
  veil = await TestVeil.start({ PRICING_FILE: file })
  admin = await veil.admin()
})
beforeEach(async () => {
  write(GOOD)
  await veil.container.pricingSync.look()
})
afterAll(async () => {
  await veil.stop()
  rmSync(folder, { recursive: true })
})

const look = () => veil.container.pricingSync.look()
const settings = () => veil.container.pricing.settings()
const revisions = async () => {
  const [row] = await veil.container.sql`select count(*)::int as count from pricing_revisions`
  return row?.count
}
const promotion = async (code: string) => {
  const { items } = await veil.expectOk('GET', '/admin/promotions', { token: admin.token })
  return items.find((item: { code: string }) => item.code === code)
}

test('a change is in force when it was looked at, and is a revision', async () => {
  expect(settings().seller.name).toBe('Veil')
  const before = await revisions()
  write(GOOD.replace('  name: Veil', '  name: Weather Ltd'))
  expect(await look()).toBe('applied')
  expect(settings().seller.name).toBe('Weather Ltd')
  expect(await look()).toBe('unchanged')
  expect(await revisions()).toBe(before + 1)
  // Another process that starts on the same file adds none.
  await veil.container.pricingSync.apply()
  expect(await revisions()).toBe(before + 1)
})

test('templates are those of the new file', async () => {
  write(GOOD.replace('flatFee: 2900', 'flatFee: 3900'))
  await look()
  const templates = await veil.expectOk('GET', '/pricing/templates')
  expect(templates.find(({ slug }: { slug: string }) => slug === 'pro').flatFee).toBe(3900)
})

test('a broken file changes nothing, and admins are told once', async () => {
  const before = await revisions()
  const mails = async () => {
    const { items } = await veil.expectOk('GET', '/admin/mails', { token: admin.token })
    return items.filter(({ subject }: { subject: string }) => subject.includes('are wrong'))
  }
  write(GOOD.replace('flatFee: 2900', 'flatFee: -1'))
  expect(await look()).toBe('broken')
  expect(await look()).toBe('unchanged')
  await veil.container.pricingSync.apply()
  expect(settings().seller.name).toBe('Veil')
  expect(await revisions()).toBe(before)
  await eventually(async () => (await mails()).length === 1, 'a mail to the admin')
  const [{ id }] = await mails()
  const { text } = await veil.expectOk('GET', `/admin/mails/${id}`, { token: admin.token })
  expect(text).toMatch(/line \d+: planTemplates\.pro\.flatFee/)
  expect(veil.logs.filter((line) => line.includes('pricing.file-broken'))).toHaveLength(1)
  // A file that is away is broken as well, and told of once however often it is looked for.
  rmSync(file)
  expect(await look()).toBe('broken')
  expect(await look()).toBe('broken')
  expect(veil.logs.filter((line) => line.includes('pricing.file-broken'))).toHaveLength(2)
})

test('promotions of the file are written, changed and ended with it', async () => {
  const spring = (terms: string) => write(`${GOOD}\npromotions:\n  FILE-1: ${terms}\n`)
  spring('{ type: percentage, value: "20", maxUses: 5 }')
  await look()
  const made = await promotion('FILE-1')
  expect(made).toMatchObject({ source: 'file', value: '20', maxUses: 5, endsAt: null })
  spring('{ type: percentage, value: "25" }')
  await look()
  expect(await promotion('FILE-1')).toMatchObject({
    ...{ id: made.id, value: '25', maxUses: null, startsAt: made.startsAt },
  })
  write(GOOD)
  await look()
  const { endsAt } = await promotion('FILE-1')
  expect(Date.parse(endsAt)).toBeLessThanOrEqual(veil.clock.now().getTime())
  spring('{ type: percentage, value: "25", endsAt: 2020-01-01 }')
  await look()
  expect(await promotion('FILE-1')).toMatchObject({ endsAt: '2020-01-01T00:00:00.000Z' })
})

test('a promotion of the file neither takes the code of another nor an API that is not there', async () => {
  const body = { code: 'MINE', type: 'percentage', value: '10' }
  await veil.expectOk('POST', '/admin/promotions', { token: admin.token, body })
  write(`${GOOD}
promotions:
  MINE: { type: percentage, value: "90" }
  LATER: { type: percentage, value: "90", api: not-yet }
`)
  await look()
  expect(await promotion('MINE')).toMatchObject({ source: 'admin', value: '10' })
  expect(await promotion('LATER')).toBeUndefined()
  expect(veil.logs.findLast((line) => line.includes('pricing.applied'))).toContain('"skipped":2')
  const provider = await veil.user('provider')
  const upstreamUrl = 'https://a.example'
  const plan = { slug: 'p', name: 'P', type: 'flat', flatFee: 100 }
  const { id } = await veil.publishedApi(provider, { slug: 'not-yet', upstreamUrl }, plan)
  await veil.container.pricingSync.apply()
  expect(await promotion('LATER')).toMatchObject({ apiId: id, source: 'file' })
})
