/** Something that can be measured over and over; started before the first round. */
export interface Contender<Measurement> {
  name: string
  measure(): Promise<Measurement>
}

export interface RoundOptions {
  /** Measured rounds of each contender. */
  rounds: number
  /** Rounds before that, thrown away. */
  warmUp: number
}

/**
 * Measures contenders in turn, A B A B …, so that whatever else the machine does meets all of them;
 * every second round goes the other way about, so that none always follows the same one.
 * Returns each contender's measurements by name, in the order of the rounds.
 */
export async function alternate<Measurement>(
  contenders: readonly Contender<Measurement>[],
  options: RoundOptions,
): Promise<Map<string, Measurement[]>> {
  const results = new Map<string, Measurement[]>(contenders.map(({ name }) => [name, []]))
  for (let round = -options.warmUp; round < options.rounds; round++) {
    const order = round % 2 === 0 ? contenders : [...contenders].reverse()
    for (const contender of order) {
      const measurement = await contender.measure()
      if (round >= 0) results.get(contender.name)?.push(measurement)
    }
  }
  return results
}
