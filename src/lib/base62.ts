const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const BASE = 62
const NO_DIGIT = 0xff
/** The largest multiple of 62 that fits a byte: bytes from here on are thrown away, so no character is likelier. */
const UNBIASED_BYTES = 248

const DIGITS = new Uint8Array(128).fill(NO_DIGIT)
for (let digit = 0; digit < BASE; digit++) DIGITS[ALPHABET.charCodeAt(digit)] = digit

/** A source of that many cryptographically random bytes, such as `node:crypto`'s `randomBytes`. */
export type RandomBytes = (count: number) => Uint8Array

/** Whether `text[from, until)` holds only `0-9A-Za-z`. */
export function isBase62(text: string, from: number, until: number): boolean {
  for (let index = from; index < until; index++) {
    if ((DIGITS[text.charCodeAt(index)] ?? NO_DIGIT) === NO_DIGIT) return false
  }
  return true
}

/** The number in `text[from, until)`, most significant digit first, -1 when one is no digit; exact up to 8 digits. */
export function decodeBase62(text: string, from: number, until: number): number {
  let value = 0
  for (let index = from; index < until; index++) {
    const digit = DIGITS[text.charCodeAt(index)] ?? NO_DIGIT
    if (digit === NO_DIGIT) return -1
    value = value * BASE + digit
  }
  return value
}

/** A non-negative integer below 2^53 as exactly `length` digits; more significant ones are cut. */
export function encodeBase62(value: number, length: number): string {
  let digits = ''
  let rest = value
  for (let index = 0; index < length; index++) {
    digits = ALPHABET.charAt(rest % BASE) + digits
    rest = Math.floor(rest / BASE)
  }
  return digits
}

/** That many characters, each equally likely. */
export function randomBase62(length: number, randomBytes: RandomBytes): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length - text.length)) {
      if (byte < UNBIASED_BYTES) text += ALPHABET.charAt(byte % BASE)
    }
  }
  return text
}
