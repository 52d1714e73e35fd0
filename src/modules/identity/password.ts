import { randomBytes } from 'node:crypto'

/** Cost of Argon2id. */
export interface PasswordCost {
  /** KiB. */
  memoryCost: number
  /** Passes. */
  timeCost: number
}

/** OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const OWASP_COST: PasswordCost = { memoryCost: 19_456, timeCost: 2 }

/** Hashes and checks passwords with Argon2id (RFC 9106), off the event loop. */
export class Passwords {
  /** Made at once, so that the first login of a stranger is not slower than the second. */
  private readonly dummyHash: Promise<string>

  constructor(private readonly cost: PasswordCost = OWASP_COST) {
    this.dummyHash = this.hash(randomBytes(16).toString('hex'))
  }

  hash(password: string): Promise<string> {
    return Bun.password.hash(password, { algorithm: 'argon2id', ...this.cost })
  }

  /**
   * Whether the password is the one that was hashed. Without a hash the same work is done for
   * nothing, so that the time it takes does not tell whether there is an account.
   */
  async verify(password: string, hash: string | null): Promise<boolean> {
    const matches = await Bun.password.verify(password, hash ?? (await this.dummyHash))
    return matches && hash !== null
  }
}

/** A password of 24 characters from 144 random bits. */
export const generatePassword = (): string => randomBytes(18).toString('base64url')
