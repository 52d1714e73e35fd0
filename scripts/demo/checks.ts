import { isDeepStrictEqual } from 'node:util'

/** A step of the story that did not hold; `expected` and `got` are for people. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'

  constructor(
    readonly what: string,
    readonly expected: unknown,
    readonly got: unknown,
  ) {
    super(what)
  }
}

/** Throws unless the two are equal. */
export function expectEqual(what: string, got: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(got, expected)) throw new StepFailed(what, expected, got)
}

/** Throws unless it holds; `expected` in words. */
export function expectThat(what: string, holds: boolean, expected: string, got: unknown): void {
  if (!holds) throw new StepFailed(what, expected, got)
}

/** Asks until the answer satisfies, for what arrives a moment later. */
export async function expectWithin<T>(
  milliseconds: number,
  what: string,
  expected: string,
  ask: () => Promise<T>,
  satisfies: (answer: T) => boolean,
): Promise<{ answer: T; milliseconds: number }> {
  const began = performance.now()
  for (;;) {
    const answer = await ask()
    const elapsed = performance.now() - began
    if (satisfies(answer)) return { answer, milliseconds: elapsed }
    if (elapsed > milliseconds)
      throw new StepFailed(what, `${expected} within ${milliseconds} ms`, answer)
    await Bun.sleep(25)
  }
}
