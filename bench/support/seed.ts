import { randomBytes } from 'node:crypto'
import { generateApiKey } from '../../src/lib/api-key.ts'

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
export function seedKeys(apiIds: readonly string[], keysPerApi: number): SeededKey[] {
  return Array.from({ length: apiIds.length * keysPerApi }, (_, index) => {
    const { id, key, hash } = generateApiKey(randomBytes)
    return {
      id,
      key,
      hash: hash.toString('hex'),
      apiId: apiIds[index % apiIds.length] ?? '',
      subscriptionId: `sub_${randomBytes(16).toString('hex')}`,
    }
  })
}

export function seedApiIds(count: number): string[] {
  return Array.from({ length: count }, () => `api_${randomBytes(16).toString('hex')}`)
}
