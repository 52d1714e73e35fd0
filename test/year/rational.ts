/** An exact fraction in lowest terms, denominator above 0: the arithmetic of the oracle, none of Veil's. */
export class Rational {
  private constructor(
    readonly numerator: bigint,
    readonly denominator: bigint,
  ) {}

  static of(numerator: bigint | number, denominator: bigint | number = 1): Rational {
    let [top, bottom] = [BigInt(numerator), BigInt(denominator)]
    if (bottom === 0n) throw new RangeError('nothing is divided by 0')
    if (bottom < 0n) [top, bottom] = [-top, -bottom]
    const divisor = greatestCommonDivisor(top < 0n ? -top : top, bottom)
    return new Rational(top / divisor, bottom / divisor)
  }

  /** Of a decimal such as `"12.5"`. */
  static parse(text: string): Rational {
    const [whole = '0', fraction = ''] = text.split('.')
    return Rational.of(BigInt(whole + fraction), 10n ** BigInt(fraction.length))
  }

  plus(other: Rational): Rational {
    return Rational.of(
      this.numerator * other.denominator + other.numerator * this.denominator,
      this.denominator * other.denominator,
    )
  }

  times(other: Rational): Rational {
    return Rational.of(this.numerator * other.numerator, this.denominator * other.denominator)
  }

  /** To the nearest whole number, halves away from zero. */
  rounded(): bigint {
    const isNegative = this.numerator < 0n
    const size = isNegative ? -this.numerator : this.numerator
    const [floor, rest] = [size / this.denominator, size % this.denominator]
    const nearest = rest * 2n >= this.denominator ? floor + 1n : floor
    return isNegative ? -nearest : nearest
  }
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a || 1n : greatestCommonDivisor(b, a % b)
}
