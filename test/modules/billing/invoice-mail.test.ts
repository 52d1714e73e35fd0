import { extractText, getDocumentProxy } from 'unpdf'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MailServer } from '#test/mail-server'
import { eventually } from '#test/veil'
import { Calendar } from './calendar'

let story: Calendar
let mails: MailServer

beforeAll(async () => {
  mails = await MailServer.start()
  const mailing = { SMTP_URL: mails.url, MAIL_FROM: 'Veil <veil@mail.example>' }
  story = await Calendar.start('2027-03-01T10:00:00Z', mailing)
})
afterAll(async () => {
  await story.stop()
  await mails.stop()
})

test('a finalized invoice is mailed once, with the document attached', async () => {
  const subscriber = await story.subscriber({ type: 'flat', flatFee: 2900 })
  await story.bill()
  await story.bill()
  const [invoice] = await story.invoices(subscriber)
  const about = () => mails.received.filter(({ raw }) => raw.includes(`Invoice ${invoice.number}`))
  const [mail] = await eventually(
    async () => about(),
    ({ length }) => length > 0,
    20_000,
  )
  expect(mail?.to).toEqual([subscriber.user.email])
  expect(mail?.raw).toContain('of which EUR 29.00 is due')
  const [, encoded = ''] =
    /filename=VEIL-\d+\.pdf[\s\S]*?\r?\n\r?\n([A-Za-z0-9+/=\r\n]+)/.exec(mail?.raw ?? '') ?? []
  const pdf = await getDocumentProxy(new Uint8Array(Buffer.from(encoded, 'base64')))
  const { text } = await extractText(pdf, { mergePages: true })
  expect(text).toContain(`Invoice ${invoice.number}`)
  expect(text).toContain('Amount due EUR 29.00')
  expect(about()).toHaveLength(1)
})

test('a reminder comes three days before, once; afterwards the invoice is past due', async () => {
  await story.travelTo('2027-05-01T10:00:00Z')
  const subscriber = await story.subscriber({ type: 'flat', flatFee: 2900 })
  await story.bill()
  const { reminders } = story.veil.container
  const remindOn = (day: string) => reminders.remind(new Date(`${day}T11:00:00Z`))
  const [invoice] = await story.invoices(subscriber)
  const subject = `Subject: Invoice ${invoice.number} is due on 2027-05-15`
  const received = () => mails.received.filter(({ raw }) => raw.includes(subject))
  await remindOn('2027-05-11')
  expect((await remindOn('2027-05-12')).reminded).toBeGreaterThan(0)
  await remindOn('2027-05-13')
  await eventually(
    async () => received(),
    ({ length }) => length > 0,
    20_000,
  )
  expect(received()).toHaveLength(1)
  expect((await remindOn('2027-05-15')).pastDue).toBeGreaterThan(0)
  expect(await remindOn('2027-05-15')).toMatchObject({ pastDue: 0 })
  const [late] = await story.invoices(subscriber)
  expect(late).toMatchObject({ status: 'past_due', amountDue: 2900 })
})
