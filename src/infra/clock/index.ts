export { type ClockMove, SandboxClock } from './sandbox-clock'
export { systemClock } from './system-clock'
