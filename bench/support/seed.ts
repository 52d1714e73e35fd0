import { randomBytes } from 'node:crypto'
import { generateApiKey } from '../../src/lib/api-key.ts'

export interface SeededApi {
  id: string
  slug: string
}

/** A key that the edge server of a bench knows, one subscription each. */
export interface SeededKey {
  id: string
  key: string
  /** SHA-256 of the secret in hex. */
  hash: string
  apiId: string
  subscriptionId: string
}

/** Keys spread over APIs one after another, so that neighbours in the list belong to different APIs. */
export function seedKeys(apis: readonly SeededApi[], keysPerApi: number): SeededKey[] {
  return Array.from({ length: apis.length * keysPerApi }, (_, index) => {
    const { id, key, hash } = generateApiKey(randomBytes)
    return {
      id,
      key,
      hash: hash.toString('hex'),
      apiId: apis[index % apis.length]?.id ?? '',
      subscriptionId: `sub_${randomBytes(16).toString('hex')}`,
    }
  })
}

const MAKERS = ['acme', 'blue', 'contoso', 'delta', 'evergreen', 'fathom', 'globex', 'harbor']
const SUBJECTS = ['weather', 'maps', 'rates', 'mail', 'search', 'vision', 'stocks', 'geo', 'text']

/** Slugs share beginnings, as those of a marketplace do: `acme-weather`, `acme-weather-2`, … */
export function seedApis(count: number): SeededApi[] {
  const kinds = MAKERS.length * SUBJECTS.length
  return Array.from({ length: count }, (_, index) => {
    const maker = MAKERS[index % MAKERS.length]
    const subject = SUBJECTS[Math.floor(index / MAKERS.length) % SUBJECTS.length]
    const copy = Math.floor(index / kinds)
    const slug = copy === 0 ? `${maker}-${subject}` : `${maker}-${subject}-${copy + 1}`
    return { id: `api_${randomBytes(16).toString('hex')}`, slug }
  })
}
