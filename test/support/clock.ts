import type { Clock } from '#lib/clock'

/** A clock that follows the wall clock until a test moves it. */
export class TestClock implements Clock {
  private offsetMs = 0
  private stoppedAt: Date | null = null
  now(): Date {
    return new Date(this.stoppedAt ?? Date.now() + this.offsetMs)
  }
  advance(ms: number): void {
    if (this.stoppedAt) this.stop(new Date(this.stoppedAt.getTime() + ms))
    else this.offsetMs += ms
  }
  set(at: Date): void {
    this.stoppedAt = null
    this.offsetMs = at.getTime() - Date.now()
  }
  /** Stands still at `at` until it is set again or advanced, for what must be exact to the millisecond. */
  stop(at: Date): void {
    this.stoppedAt = at
  }
}
