import { Decimal } from 'decimal.js'
import { periodLines, type Terms, totalOf, wholePeriod } from '#modules/pricing'
import { type Bench, type Figure, figure } from './support/figure.ts'

const ROUNDS = 7
const PERIODS = 40_000

/** A fee and three tiers: four lines of a period that reaches the last tier. */
const PLAN: Terms = {
  ...{ currency: 'EUR', flatFee: 2900n, flatFeeTiming: 'advance' },
  ...{ quotaLimit: null, quotaHard: true, overageRate: null, minimumFee: 500n, maximumFee: null },
  charges: [
    {
      ...{ model: 'graduated', freeUnits: 1000 },
      tiers: [
        { upTo: 10_000, unitRate: '0.1', flatFee: 0 },
        { upTo: 100_000, unitRate: '0.05', flatFee: 100 },
        { upTo: null, unitRate: '0.0125', flatFee: 0 },
      ],
    },
  ],
}
const TIERS = PLAN.charges[0]?.model === 'graduated' ? PLAN.charges[0].tiers : []

/** The pricing engine on one core: lines of periods with other units each. */
export const pricingBench: Bench = {
  name: 'pricing',
  title: `${PERIODS} periods of a hybrid plan rated, ${ROUNDS} rounds, beside the same with decimal.js`,
  run,
}

interface Rated {
  lines: number
  total: bigint
}

async function run(log: (line: string) => void): Promise<Figure[]> {
  const contenders = { veil: rateWithVeil, decimal: rateWithDecimal }
  const rates: Record<keyof typeof contenders, number[]> = { veil: [], decimal: [] }
  const names = Object.keys(contenders) as (keyof typeof contenders)[]
  for (const name of names) contenders[name](PERIODS / 4)
  for (let round = 0; round < ROUNDS; round++) {
    const totals = (round % 2 === 0 ? names : names.toReversed()).map((name) => {
      const started = performance.now()
      const { lines, total } = contenders[name](PERIODS)
      const rate = (lines * 1_000) / (performance.now() - started)
      rates[name].push(rate)
      log(`${name} ${Math.round(rate)} lines/s`)
      return total
    })
    if (totals[0] !== totals[1]) throw new Error(`${totals.join(' is not ')}: the sums differ`)
  }
  const of = { unit: 'lines/s', values: rates.veil }
  const peer = { name: 'decimal.js', values: rates.decimal }
  return [
    figure({ name: 'rated', ...of, bar: { of: 'value', atLeast: 200_000 } }),
    figure({ name: 'rated, to decimal.js', ...of, peer, bar: { of: 'ratio', atLeast: 1 } }),
  ]
}

const unitsOf = (period: number): number => 150_000 + period

function rateWithVeil(periods: number): Rated {
  const rated: Rated = { lines: 0, total: 0n }
  for (let period = 0; period < periods; period++) {
    const lines = periodLines(PLAN, wholePeriod(PLAN), BigInt(unitsOf(period)), [])
    rated.lines += lines.length
    rated.total += totalOf(lines)
  }
  return rated
}

/** The same lines, with the same words, as one would write them with a library of decimals. */
function rateWithDecimal(periods: number): Rated {
  const rated: Rated = { lines: 0, total: 0n }
  for (let period = 0; period < periods; period++) {
    const lines = linesWithDecimal(new Decimal(unitsOf(period)))
    rated.lines += lines.length
    for (const { amount } of lines) rated.total += BigInt(amount.toFixed())
  }
  return rated
}

function linesWithDecimal(units: Decimal) {
  const fee = new Decimal(PLAN.flatFee.toString())
  const lines = [
    { description: 'Flat fee', quantity: new Decimal(1), amount: fee, explain: `1 × ${fee}` },
  ]
  const paid = units.minus(PLAN.charges[0]?.freeUnits ?? 0)
  let below = new Decimal(0)
  for (const { upTo, unitRate, flatFee } of TIERS) {
    if (paid.lte(below)) break
    const last = upTo === null ? paid : Decimal.min(upTo, paid)
    const quantity = last.minus(below)
    const rate = new Decimal(unitRate)
    lines.push({
      ...{ description: `Units ${below.plus(1)} to ${last}`, quantity },
      amount: quantity.times(rate).toDecimalPlaces(0, Decimal.ROUND_HALF_UP).plus(flatFee),
      explain: `(${last} − ${below}) × ${rate} + ${flatFee}`,
    })
    below = last
  }
  return lines
}
