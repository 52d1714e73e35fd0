import type { VatRegister } from './billing-profile'

const TIMEOUT_MS = 5_000

/** The European Commission's register over its REST interface. */
export class Vies implements VatRegister {
  /** @param url without a slash at its end, as `https://ec.europa.eu/taxation_customs/vies/rest-api` */
  constructor(private readonly url: string) {}

  /** Null whenever the answer is not a plain yes or no: a member state's register is often away. */
  async knows(id: string): Promise<boolean | null> {
    const [country, number] = [id.slice(0, 2), encodeURIComponent(id.slice(2))]
    try {
      const response = await fetch(`${this.url}/ms/${country}/vat/${number}`, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      const answer = (await response.json()) as { isValid?: unknown; userError?: unknown }
      const isAnswered = answer.userError === 'VALID' || answer.userError === 'INVALID'
      return isAnswered && typeof answer.isValid === 'boolean' ? answer.isValid : null
    } catch {
      return null
    }
  }
}
