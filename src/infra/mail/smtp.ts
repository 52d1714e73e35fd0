import { createTransport } from 'nodemailer'
import type { StoredMail } from './outbox'

/** A file that goes with a mail. */
export interface Attachment {
  filename: string
  contentType: string
  content: Uint8Array
}

export interface SmtpOptions {
  /** `smtp://` or `smtps://`, with user and password where the server asks for them. */
  smtpUrl: string
  /** `address` or `Name <address>`. */
  from: string
}

/** The server did not take a mail, or was not there to take it. */
export class MailNotSent extends Error {
  constructor(
    /** For the log, so without the address that a server likes to repeat. */
    summary: string,
    /** In the words of the server, for the operator. */
    readonly answer: string,
    /** Whether the same mail would be refused for ever (RFC 5321 §4.2.1: 5yz). */
    readonly isFinal: boolean,
  ) {
    super(summary)
    this.name = 'MailNotSent'
  }
}

const TIMEOUTS = {
  dnsTimeout: 10_000,
  connectionTimeout: 10_000,
  greetingTimeout: 10_000,
  socketTimeout: 30_000,
}
/** Refused is then the mail. A wrong password (EAUTH) is for the operator to mend, and worth a retry. */
const ABOUT_THE_MAIL = ['EENVELOPE', 'EMESSAGE']

/** Hands mails to a mail server, one connection each: they are few, and none waits for another. */
export class SmtpSender {
  private readonly transport
  private readonly domain: string

  constructor(private readonly options: SmtpOptions) {
    this.transport = createTransport({
      ...{ url: options.smtpUrl, ...TIMEOUTS },
      ...{ disableFileAccess: true, disableUrlAccess: true },
    })
    this.domain = /@([^@>]+)>?$/.exec(options.from)?.[1] ?? 'localhost'
  }

  /**
   * Returns once the server has taken the mail. The same mail has the same Message-ID each time, so
   * that a receiver may tell a second copy.
   * @throws MailNotSent
   */
  async send(mail: StoredMail, attachment: Attachment | null = null): Promise<void> {
    const { id, toAddress, subject, text, createdAt } = mail
    try {
      await this.transport.sendMail({
        ...{ from: this.options.from, to: { name: '', address: toAddress }, subject, text },
        ...{ messageId: `<${id}@${this.domain}>`, date: createdAt },
        ...(attachment && { attachments: [toFile(attachment)] }),
        // RFC 3834: nobody's holiday note should answer it.
        headers: { 'Auto-Submitted': 'auto-generated' },
      })
    } catch (error) {
      throw toMailNotSent(error as Error & { code?: string; permanent?: boolean })
    }
  }
}

const toFile = ({ content, ...file }: Attachment) => ({ ...file, content: Buffer.from(content) })

function toMailNotSent(
  error: Error & { code?: string; responseCode?: number; permanent?: boolean },
): MailNotSent {
  const { code = 'unknown', responseCode, permanent = false } = error
  const summary = responseCode === undefined ? code : `${code} ${responseCode}`
  return new MailNotSent(summary, error.message, permanent && ABOUT_THE_MAIL.includes(code))
}
