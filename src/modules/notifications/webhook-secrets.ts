import type { Sealer } from '#lib/sealing'
import { newWebhookSecret } from './signature'
import type { Endpoint } from './webhook.repository'

/** How long the secret before a rotation goes on signing beside the new one. */
const OLD_SECRET_MS = 24 * 3_600_000

type Columns = Pick<Endpoint, 'sealedSecret' | 'sealedOldSecret' | 'oldSecretUntil'>

/** Makes and rotates the secrets of endpoints. Only the answer to their owner holds one in the open. */
export class WebhookSecrets {
  constructor(private readonly sealer: Sealer) {}

  create(): { secret: string; columns: Columns } {
    const secret = newWebhookSecret()
    const sealedSecret = this.sealer.seal(secret)
    return { secret, columns: { sealedSecret, sealedOldSecret: null, oldSecretUntil: null } }
  }

  /** A new secret; the one before it is good for another day, the one before that no more. */
  rotate({ sealedSecret: sealedOldSecret }: Endpoint, now: Date) {
    const { secret, columns } = this.create()
    const oldSecretUntil = new Date(now.getTime() + OLD_SECRET_MS)
    return { secret, columns: { ...columns, sealedOldSecret, oldSecretUntil } }
  }

  /** What signs at this time, the newest first. */
  validAt({ sealedSecret, sealedOldSecret, oldSecretUntil }: Columns, at: Date): string[] {
    const isOldGood = sealedOldSecret !== null && oldSecretUntil !== null && at < oldSecretUntil
    const sealed = isOldGood ? [sealedSecret, sealedOldSecret] : [sealedSecret]
    return sealed.map((text) => this.sealer.open(text))
  }
}
