import type { Decimal } from '#lib/decimal'
import { priceOf, prorate, type Share } from '#lib/money'
import { decimalText, type Line } from './line'

/** Units up to and with `upTo`, counted after the free ones; null = no end. */
export interface Tier {
  upTo: bigint | null
  rate: Decimal
  /** Due once when a unit falls into the tier, in minor units. */
  fee: bigint
}

type Model =
  | { model: 'per_unit'; rate: Decimal }
  /** Each unit costs what its own tier says. */
  | { model: 'graduated'; tiers: readonly Tier[] }
  /** All units cost what the tier of the last one says. */
  | { model: 'volume'; tiers: readonly Tier[] }
  /** Begun packages are whole ones. */
  | { model: 'package'; size: bigint; price: bigint }

/** One price of usage. The first `freeUnits` cost nothing and count for no tier and no package. */
export type Charge = Model & { freeUnits: bigint }

type Of<M extends Model['model']> = Extract<Charge, { model: M }>

/**
 * What so many units of a period cost by one charge. Each amount is rounded once, where its line is
 * born.
 *
 * @param units billable units used in the period, ≥ 0
 */
export function chargeLines(charge: Charge, units: bigint): Line[] {
  if (units <= charge.freeUnits) return []
  switch (charge.model) {
    case 'per_unit':
      return [perUnitLine(charge, units)]
    case 'graduated':
      return graduatedLines(charge, units)
    case 'volume':
      return [volumeLine(charge, units)]
    case 'package':
      return [packageLine(charge, units)]
  }
}

function perUnitLine({ rate, freeUnits }: Of<'per_unit'>, units: bigint): Line {
  const quantity = units - freeUnits
  return {
    ...{ code: 'per_unit', description: 'Units used', quantity, amount: priceOf(quantity, rate) },
    explain: `${paid(units, freeUnits)} × ${decimalText(rate)}`,
  }
}

function graduatedLines({ tiers, freeUnits }: Of<'graduated'>, units: bigint): Line[] {
  const all = units - freeUnits
  const lines: Line[] = []
  let below = 0n
  for (const tier of tiers) {
    if (all <= below) break
    const last = tier.upTo !== null && tier.upTo < all ? tier.upTo : all
    // The bounds of a part of a period may meet: then nothing is between them.
    if (last > below) lines.push(tierLine(tier, below, last))
    below = last
  }
  return lines
}

function tierLine(tier: Tier, below: bigint, last: bigint): Line {
  const quantity = last - below
  const count = below === 0n ? `${last}` : `(${last} − ${below})`
  return {
    ...{ code: 'graduated', description: `Units ${below + 1n} to ${last}`, quantity },
    amount: priceOf(quantity, tier.rate) + tier.fee,
    explain: `${count} × ${rateText(tier)}`,
  }
}

function volumeLine({ tiers, freeUnits }: Of<'volume'>, units: bigint): Line {
  const quantity = units - freeUnits
  const tier = tiers.find(({ upTo }) => upTo === null || quantity <= upTo)
  if (tier === undefined) throw new RangeError('the last tier of a charge must have no end')
  const reach = tier.upTo === null ? 'the highest volume' : `a volume of up to ${tier.upTo}`
  return {
    ...{ code: 'volume', description: `Units at the rate for ${reach}`, quantity },
    amount: priceOf(quantity, tier.rate) + tier.fee,
    explain: `${paid(units, freeUnits)} × ${rateText(tier)}`,
  }
}

function packageLine({ size, price, freeUnits }: Of<'package'>, units: bigint): Line {
  const quantity = (units - freeUnits + size - 1n) / size
  return {
    ...{ code: 'package', description: `Packages of ${size} units`, quantity },
    amount: quantity * price,
    explain: `⌈${paid(units, freeUnits)} ÷ ${size}⌉ × ${price}`,
  }
}

const paid = (units: bigint, free: bigint): string =>
  free === 0n ? `${units}` : `(${units} − ${free})`

const rateText = ({ rate, fee }: Tier): string =>
  fee === 0n ? decimalText(rate) : `${decimalText(rate)} + ${fee}`

/** The charge of a part of a cycle: free units, bounds and fees of tiers are taken by its share. */
export function chargeInShare(charge: Charge, share: Share): Charge {
  if (share.part === share.whole) return charge
  const freeUnits = prorate(charge.freeUnits, share)
  if (charge.model !== 'graduated' && charge.model !== 'volume') return { ...charge, freeUnits }
  const tiers = charge.tiers.map(({ upTo, rate, fee }) => ({
    ...{ rate, fee: prorate(fee, share) },
    upTo: upTo === null ? null : prorate(upTo, share),
  }))
  return { ...charge, freeUnits, tiers }
}
