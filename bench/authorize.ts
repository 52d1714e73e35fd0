import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { residentMb, startChild } from './support/child.ts'
import { type Bench, type Figure, figure } from './support/figure.ts'
import { LoadGenerator, type LoadResult, requestText, writeRequests } from './support/load.ts'
import { alternate, type Contender } from './support/rounds.ts'
import { type SeededKey, seedApis, seedKeys } from './support/seed.ts'

const KEYS = 10_000
const APIS = 100
const CONNECTIONS = 32
const ROUNDS = 9

/** The edge's authorize server against Bun's bare server on the same requests. */
export const authorizeBench: Bench = {
  name: 'authorize',
  title: `authorize, ${KEYS} keys with rate limits and quota, against a bare Bun.serve`,
  run,
}

async function run(log: (line: string) => void): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'veil-bench-'))
  const seedFile = join(folder, 'keys.json')
  const requestsFile = join(folder, 'requests.json')
  const keys = seedKeys(seedApis(APIS), KEYS / APIS)
  writeFileSync(seedFile, JSON.stringify(keys))
  writeRequests(requestsFile, keys.map(subrequest))
  const servers = join(import.meta.dirname, 'servers')
  const edge = startChild<never, { port: number }>(join(servers, 'edge.ts'), { seedFile })
  const bare = startChild<never, { port: number }>(join(servers, 'bare.ts'), { status: 204 })
  const load = new LoadGenerator()
  try {
    const contender = (name: string, port: number): Contender<LoadResult> => ({
      name,
      async measure() {
        const result = await load.run({
          host: '127.0.0.1',
          port,
          connections: CONNECTIONS,
          durationMs: 1_500,
          requestsFile,
          expectStatus: 204,
        })
        log(`${name}: ${Math.round(result.requestsPerSecond)} req/s, p99 ${result.p99} µs`)
        return result
      },
    })
    const results = await alternate(
      [
        contender('edge', (await edge.receive()).port),
        contender('bare', (await bare.receive()).port),
      ],
      { rounds: ROUNDS, warmUp: 2 },
    )
    return figures(results.get('edge') ?? [], results.get('bare') ?? [], residentMb(edge.pid))
  } finally {
    await Promise.all([edge.stop(), bare.stop(), load.stop()])
    rmSync(folder, { recursive: true })
  }
}

/** The subrequest as Caddy sends it for the configuration that we render. */
function subrequest({ key, apiId }: SeededKey, index: number): string {
  return requestText({
    method: 'GET',
    path: '/gateway/authorize',
    headers: {
      Host: '127.0.0.1:9100',
      'X-Forwarded-For': '127.0.0.1',
      'X-Forwarded-Host': '127.0.0.1:8080',
      'X-Forwarded-Method': 'GET',
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Uri': `/acme-${index % APIS}/v1/things?limit=20`,
      'X-Request-Id': 'f5a6f7f0-6d0c-4a57-8a3f-0b6f8b5b9f6e',
      'X-Veil-Address': '127.0.0.1',
      'X-Veil-Api': apiId,
      'X-Veil-Key': key,
    },
  })
}

function figures(edge: LoadResult[], bare: LoadResult[], rssMb: number): Figure[] {
  const of = (results: LoadResult[], field: 'requestsPerSecond' | 'p50' | 'p99') =>
    results.map((result) => result[field])
  return [
    figure({
      name: 'authorize',
      unit: 'req/s',
      values: of(edge, 'requestsPerSecond'),
      peer: { name: 'bare Bun.serve', values: of(bare, 'requestsPerSecond') },
      bar: { of: 'ratio', atLeast: 0.7 },
    }),
    figure({
      name: 'authorize p50',
      unit: 'µs',
      values: of(edge, 'p50'),
      peer: { name: 'bare Bun.serve', values: of(bare, 'p50') },
    }),
    figure({
      name: 'authorize p99',
      unit: 'µs',
      values: of(edge, 'p99'),
      peer: { name: 'bare Bun.serve', values: of(bare, 'p99') },
    }),
    figure({ name: 'edge memory', unit: 'MB', values: [rssMb] }),
  ]
}
