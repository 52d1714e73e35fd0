import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

export interface ReceivedMail {
  from: string
  to: string[]
  /** As it came over the wire: headers, an empty line, text. */
  raw: string
}

interface Refusal {
  status: number
  message: string
}

/** A real SMTP server that can be told to refuse. */
export class MailServer {
  readonly received: ReceivedMail[] = []
  /** Asked for each mail before its text is taken. */
  refuseRecipient: (address: string) => Refusal | null = () => null
  /** Asked when the text of a mail is there. */
  refuseText: (raw: string) => Refusal | null = () => null
  /** Drops the connection instead of saying that a mail was taken. */
  hangUpAfter: (raw: string) => boolean = () => false
  private readonly server = new SMTPServer({
    ...{ authOptional: true, disabledCommands: ['STARTTLS', 'AUTH'], logger: false },
    onRcptTo: ({ address }, _session, done) => done(errorOf(this.refuseRecipient(address))),
    onData: (stream, session, done) => {
      let raw = ''
      stream.on('data', (chunk: Buffer) => {
        raw += chunk.toString('utf8')
      })
      stream.on('end', () => {
        const refusal = this.refuseText(raw)
        if (refusal) return done(errorOf(refusal))
        const { mailFrom, rcptTo } = session.envelope
        const from = mailFrom ? mailFrom.address : ''
        this.received.push({ from, to: rcptTo.map(({ address }) => address), raw })
        if (this.hangUpAfter(raw)) this.dropConnections()
        else done()
      })
    },
  })

  /** @param port a free one unless stated */
  static async start(port = 0): Promise<MailServer> {
    const mail = new MailServer()
    mail.server.on('error', () => undefined)
    await new Promise<void>((resolve) => mail.server.listen(port, '127.0.0.1', resolve))
    return mail
  }

  get url(): string {
    return `smtp://127.0.0.1:${(this.server.server.address() as AddressInfo).port}`
  }

  private dropConnections(): void {
    for (const { _socket } of this.server.connections) _socket.destroy()
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()))
  }
}

const errorOf = (refusal: Refusal | null): Error | null =>
  refusal && Object.assign(new Error(refusal.message), { responseCode: refusal.status })
