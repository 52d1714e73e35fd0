import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { authorizeBench } from './authorize.ts'
import { billingBench } from './billing.ts'
import { edgeBench } from './edge.ts'
import { gatewayBench } from './gateway.ts'
import { pricingBench } from './pricing.ts'
import { pushBench } from './push.ts'
import { queueBench } from './queue.ts'
import { readsBench } from './reads.ts'
import {
  type Bench,
  type BenchOptions,
  type BenchResult,
  machine,
  table,
} from './support/figure.ts'
import { usageBench } from './usage.ts'

const BENCHES: readonly Bench[] = [
  authorizeBench,
  billingBench,
  edgeBench,
  gatewayBench,
  pricingBench,
  pushBench,
  queueBench,
  readsBench,
  usageBench,
]

const TEXT = { type: 'string' } as const

/** `npm run bench [name] [-- --json FILE]`: exit code 0 only when every figure reaches its bar. */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2),
    options: { json: TEXT, seconds: TEXT, backlog: TEXT, stored: TEXT, subscriptions: TEXT },
    allowPositionals: true,
  })
  const unknown = positionals.filter((name) => BENCHES.every((bench) => bench.name !== name))
  if (unknown.length > 0) {
    console.error(`No bench is called ${unknown.join(', ')}. There are:`)
    for (const { name, title } of BENCHES) console.error(`  ${name}  ${title}`)
    return 1
  }
  const chosen = BENCHES.filter(
    ({ name }) => positionals.length === 0 || positionals.includes(name),
  )
  const results: BenchResult[] = []
  const { json, ...given } = values
  const options: BenchOptions = Object.fromEntries(
    Object.entries(given).map(([name, text]) => [name, Number(text)]),
  )
  for (const bench of chosen) results.push(await runBench(bench, options))
  if (json !== undefined) {
    const content = results.length === 1 ? results[0] : results
    writeFileSync(json, `${JSON.stringify(content, null, 2)}\n`)
  }
  return results.every(({ figures }) => figures.every(({ holds }) => holds)) ? 0 : 1
}

async function runBench(bench: Bench, options: BenchOptions): Promise<BenchResult> {
  console.log(`\n${bench.name}: ${bench.title}`)
  const figures = await bench.run((line) => console.log(`  ${line}`), options)
  console.log(`\n${table(figures)}\n`)
  return { bench: bench.name, machine: machine(), figures }
}

process.exit(await main())
