import { afterAll, beforeAll, expect, test } from 'vitest'
import { publish } from '#infra/queue'
import { quotaThresholdReached } from '#modules/quota'
import { type TestUser, TestVeil } from '#test/veil'

let veil: TestVeil
let admin: TestUser
beforeAll(async () => {
  veil = await TestVeil.start()
  admin = await veil.admin()
})
afterAll(() => veil.stop())

test('a consumer is told of a quota that is nearly used up', async () => {
  const [provider, consumer] = await Promise.all([veil.user('provider'), veil.user('consumer')])
  const upstreamUrl = 'http://127.0.0.1:9'
  const api = await veil.publishedApi(provider, { slug: 'scarce', upstreamUrl })
  const { id } = await veil.subscribe(consumer, api)
  const [period] = await veil.database.sql`select id from billing_periods
    where subscription_id = ${id.slice('sub_'.length)}`
  await publish(veil.database.db, quotaThresholdReached, {
    subscriptionId: id as `sub_${string}`,
    billingPeriodId: `per_${period?.id.replaceAll('-', '')}`,
    ...{ threshold: 80, units: 801, included: 1_000 },
  })
  const { items } = await veil.eventuallyRetried(
    () => veil.expectOk('GET', '/admin/mails', { token: admin.token }),
    (page) => page.items.some(({ subject }: { subject: string }) => subject.startsWith('80 %')),
  )
  const [mail] = items.filter(({ subject }: { subject: string }) => subject.startsWith('80 %'))
  expect(mail).toMatchObject({
    to: consumer.email,
    subject: '80 % of your quota for scarce is used',
  })
  expect(mail.text).toContain('801 of 1000 calls')
})
