import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Pricing } from './pricing-file'

const fileIn = (dataDir: string): string => join(dataDir, 'pricing-in-force.json')

/** Keeps what is in force where `npm run pricing` finds it without the database. */
export function keepInForce(dataDir: string, pricing: Pricing): void {
  const file = fileIn(dataDir)
  mkdirSync(dataDir, { recursive: true })
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, JSON.stringify(pricing))
  renameSync(draft, file)
}

/** What was last put in force here; null when nothing was. */
export function readInForce(dataDir: string): unknown {
  try {
    return JSON.parse(readFileSync(fileIn(dataDir), 'utf8'))
  } catch {
    return null
  }
}
