import type { Clock } from '#lib/clock'

/** A clock that follows the wall clock until a test moves it. */
export class TestClock implements Clock {
  private offsetMs = 0
  now(): Date {
    return new Date(Date.now() + this.offsetMs)
  }
  advance(ms: number): void {
    this.offsetMs += ms
  }
  set(at: Date): void {
    this.offsetMs = at.getTime() - Date.now()
  }
}
