/** Numbers that only look random: the same seed draws the same ones. */
export class SeededRandom {
  /** @param seed its lowest 32 bits count */
  constructor(private state: number) {}

  /** Uniform in [0, 1): mulberry32. */
  readonly next = (): number => {
    this.state = (this.state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** Another sequence, so that who draws from it changes nothing for those who draw from this one. */
  fork(): SeededRandom {
    return new SeededRandom(Math.floor(this.next() * 2 ** 32))
  }

  /** A whole number from `from` until below `until`. */
  between(from: number, until: number): number {
    return from + Math.floor(this.next() * (until - from))
  }

  /** One of them; who stands there several times is drawn more often. */
  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length)] as T
  }

  shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, place: this.next() }))
      .sort((a, b) => a.place - b.place)
      .map(({ item }) => item)
  }
}
