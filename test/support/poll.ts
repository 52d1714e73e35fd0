import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for a condition; throws when it has not come true by the deadline. */
export async function eventually(
  condition: () => Promise<boolean> | boolean,
  what: string,
  deadlineMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for: ${what}`)
    await sleep(10)
  }
}
