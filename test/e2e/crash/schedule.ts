import { eventually } from '#test/poll'
import type { SeededRandom } from '#test/random'
import type { Victim } from './installation'

/** `at`: when the upstream has seen so many calls of the phase. */
export interface Crash {
  at: number
  victim: Victim
}

/** Who is killed how often in a phase, in which order and when, as the random numbers have it. */
export function drawCrashes(
  random: SeededRandom,
  calls: number,
  times: Partial<Record<Victim, number>>,
): Crash[] {
  const victims = Object.entries(times).flatMap(([victim, count]) =>
    Array<Victim>(count).fill(victim as Victim),
  )
  const moments = victims.map(() => random.between(100, Math.floor(calls * 0.97)))
  moments.sort((a, b) => a - b)
  return random.shuffled(victims).map((victim, index) => ({ victim, at: moments[index] ?? calls }))
}

export const inWords = (crashes: readonly Crash[]): string =>
  crashes.map(({ at, victim }) => `${victim}@${at}`).join(' ')

/** Has each of them done when its moment has come. */
export async function carryOut(
  crashes: readonly Crash[],
  calls: () => number,
  kill: (victim: Victim) => Promise<void>,
): Promise<void> {
  for (const { at, victim } of crashes) {
    await eventually(() => calls() >= at, `call ${at}, to kill ${victim}`, 60_000)
    await kill(victim)
  }
}
