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
