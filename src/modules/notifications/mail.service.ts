import type { Db } from '#db/client'
import { findMail, listMails, type MailState } from '#infra/mail'
import { parseId } from '#lib/id'
import { type PageRequest, toPage } from '#lib/page'
import { MailUnknown } from './errors'
import { mailView } from './views'

/** What Veil wrote to people, for its admins: the only reader where no mail server is set. */
export class MailService {
  constructor(private readonly db: Db) {}

  async list(state: MailState | undefined, page: PageRequest) {
    const { items, nextCursor } = toPage(await listMails(this.db, state, page), page.limit)
    return { items: items.map(mailView), nextCursor }
  }

  async get(id: string) {
    const known = parseId('mail', id)
    const mail = known && (await findMail(this.db, known))
    if (!mail) throw new MailUnknown(id)
    return mailView(mail)
  }
}
