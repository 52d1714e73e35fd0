import type { Clock } from '#lib/clock'

// biome-ignore lint/plugin: the one place where the wall clock is read.
export const systemClock: Clock = { now: () => new Date() }
