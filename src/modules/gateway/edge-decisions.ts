import type { RefusalCode } from './authorize-refusal'

/** How often an edge decided what: counted at every call, so as cheaply as can be. */
export class EdgeDecisions {
  admitted = 0
  readonly #refused = new Map<RefusalCode, number>()

  refuse(code: RefusalCode): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1)
  }

  list(): [decision: string, calls: number][] {
    return [['admitted', this.admitted], ...this.#refused]
  }
}
