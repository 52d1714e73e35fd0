import * as jsvat from 'jsvat'

/** The member states, by ISO 3166; what checks the form and the check digits of their VAT ids. */
const MEMBERS: Record<string, jsvat.Country> = {
  ...{ AT: jsvat.austria, BE: jsvat.belgium, BG: jsvat.bulgaria, CY: jsvat.cyprus },
  ...{ CZ: jsvat.czechRepublic, DE: jsvat.germany, DK: jsvat.denmark, EE: jsvat.estonia },
  ...{ ES: jsvat.spain, FI: jsvat.finland, FR: jsvat.france, GR: jsvat.greece },
  ...{ HR: jsvat.croatia, HU: jsvat.hungary, IE: jsvat.ireland, IT: jsvat.italy },
  ...{ LT: jsvat.lithuania, LU: jsvat.luxembourg, LV: jsvat.latvia, MT: jsvat.malta },
  ...{ NL: jsvat.netherlands, PL: jsvat.poland, PT: jsvat.portugal, RO: jsvat.romania },
  ...{ SE: jsvat.sweden, SI: jsvat.slovenia, SK: jsvat.slovakiaRepublic },
}

const memberOf = (country: string): jsvat.Country | undefined =>
  Object.hasOwn(MEMBERS, country) ? MEMBERS[country] : undefined

/** Whether one member state sells to another. */
export const sellsWithinEu = (seller: string | undefined, buyer: string): boolean =>
  seller !== undefined && seller !== buyer && Boolean(memberOf(seller) && memberOf(buyer))

/** Whether a VAT id has the form and the check digits of its member state. */
export function isVatIdOf(country: string, id: string): boolean {
  const member = memberOf(country)
  return member !== undefined && jsvat.checkVAT(id, [member]).isValid
}

export const isEuCountry = (country: string): boolean => memberOf(country) !== undefined

/** As it is printed: capitals, no spaces, dots or hyphens. */
export const plainVatId = (id: string): string => id.toUpperCase().replaceAll(/[\s.-]/g, '')
