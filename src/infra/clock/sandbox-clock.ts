import type { Clock } from '#lib/clock'

/** From the machine's instant `since` on, a sandbox's clock is so far ahead of the machine's. */
export interface ClockMove {
  since: Date
  offsetMs: number
}

/** Runs as the machine's clock does, ahead of it by what an operator of a sandbox asked for. */
export class SandboxClock implements Clock {
  /** The newest first. */
  private moves: ClockMove[] = []

  constructor(private readonly machine: Clock) {}

  now(): Date {
    return this.shownAt(this.machine.now())
  }

  /** The machine's own time. */
  machineNow(): Date {
    return this.machine.now()
  }

  /** What this clock showed at an instant of the machine's clock; the same at any later look. */
  shownAt(machine: Date): Date {
    const move = this.moves.find(({ since }) => since <= machine)
    return new Date(machine.getTime() + (move?.offsetMs ?? 0))
  }

  follow(moves: readonly ClockMove[]): void {
    this.moves = moves.toSorted((a, b) => b.since.getTime() - a.since.getTime())
  }
}
