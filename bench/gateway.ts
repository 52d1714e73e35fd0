import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild } from './support/child.ts'
import { type Bench, type Figure, figure } from './support/figure.ts'
import {
  type BenchGateway,
  benchCaddy,
  plainServer,
  startGateway,
  veilServer,
} from './support/gateway.ts'
import { LoadGenerator, type LoadResult, requestText, writeRequests } from './support/load.ts'
import { alternate, type Contender } from './support/rounds.ts'
import { type SeededApi, type SeededKey, seedApis, seedKeys } from './support/seed.ts'

interface Size {
  apis: number
  keysPerApi: number
  /** The edge behind a port, as on another machine, in place of the Unix socket. */
  tcp?: boolean
}

const CONNECTIONS = 32
/** Many short rounds: what else the machine does changes within seconds. */
const ROUNDS = 9
const ROUND_MS = 2_000
const SIZES: Size[] = [
  { apis: 10, keysPerApi: 10 },
  { apis: 10, keysPerApi: 10, tcp: true },
  { apis: 1_000, keysPerApi: 10 },
  { apis: 5_000, keysPerApi: 4 },
]
/** The share of the throughput at 10 APIs that must remain with more of them. */
const AT_LEAST_OF_TEN: Record<number, number> = { 1000: 0.85, 5000: 0.75 }
const AT_LEAST_OF_PLAIN = 0.55
const MOST_MEMORY_MB = 300

/** Whole calls through Caddy as we configure it, against a Caddy that only proxies and logs. */
export const gatewayBench: Bench = {
  name: 'gateway',
  title: 'calls through the gateway with a key each, against plain Caddy with the same access log',
  run,
}

/** A configuration of Caddy under load, and what stands behind it. */
interface Setting {
  name: string
  apis: number
  gateway: BenchGateway
  requestsFile: string
}

interface Measurement extends LoadResult {
  memoryMb: number
}

async function run(log: (line: string) => void): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'veil-bench-'))
  const stops: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]
  try {
    const caddy = await benchCaddy()
    log(`Caddy ${caddy.version}`)
    const upstream = startServer(stops, 'bare.ts', { status: 200 })
    const upstreamPort = (await upstream.receive()).port
    const start: StartOptions = { stops, folder, binary: caddy.path, upstreamPort }
    const settings = [await plainSetting(start)]
    for (const size of SIZES) settings.push(await veilSetting(start, size))
    const load = new LoadGenerator()
    stops.push(() => load.stop())
    const contenders = settings.map((setting) => contender(setting, load, log))
    const results = await alternate(contenders, { rounds: ROUNDS, warmUp: 1 })
    return figures(settings, results)
  } finally {
    for (const stop of stops.toReversed()) await stop()
  }
}

function startServer(stops: (() => unknown)[], file: string, argument: unknown) {
  const path = join(import.meta.dirname, 'servers', file)
  const child = startChild<never, { port: number }>(path, argument)
  stops.push(() => child.stop())
  return child
}

interface StartOptions {
  stops: (() => unknown)[]
  folder: string
  binary: string
  upstreamPort: number
}

async function plainSetting(options: StartOptions): Promise<Setting> {
  const { stops, folder, binary, upstreamPort } = options
  const gateway = await startGateway({
    binary,
    folder: join(folder, 'plain'),
    server: (listen) => plainServer(listen, upstreamPort),
    // Caddy's and Go's defaults, as an operator's Caddy has them.
    caddyfile: join(import.meta.dirname, 'servers', 'plain.Caddyfile'),
    env: { GOGC: '100', GOMEMLIMIT: 'off' },
  })
  stops.push(() => gateway.stop())
  const apis = seedApis(10)
  const requestsFile = join(folder, 'plain.json')
  writeRequests(requestsFile, requestsFor(apis, seedKeys(apis, 10)))
  return { name: 'plain', apis: 0, gateway, requestsFile }
}

/** Every setting has an edge of its own, which knows the keys of that setting. */
async function veilSetting(options: StartOptions, size: Size): Promise<Setting> {
  const { stops, folder, binary, upstreamPort } = options
  const files = `${size.apis}${size.tcp ? '-tcp' : ''}`
  const unix = size.tcp ? null : join(folder, `edge-${files}.sock`)
  const name = `${size.apis} APIs${size.tcp ? ', edge over TCP' : ''}`
  const apis = seedApis(size.apis)
  const keys = seedKeys(apis, size.keysPerApi)
  const seedFile = join(folder, `keys-${files}.json`)
  const requestsFile = join(folder, `requests-${files}.json`)
  writeFileSync(seedFile, JSON.stringify(keys))
  writeRequests(requestsFile, requestsFor(apis, keys))
  const listen = unix === null ? {} : { unix }
  const edge = startServer(stops, 'edge.ts', { seedFile, tls: true, ...listen })
  const { port } = await edge.receive()
  const edgeDial = unix === null ? `127.0.0.1:${port}` : `unix/${unix}`
  const gateway = await startGateway({
    binary,
    folder: join(folder, `veil-${files}`),
    server: (listen) => veilServer({ listen, edgeDial, upstreamPort, apis, keys }),
  })
  stops.push(() => gateway.stop())
  return { name, apis: size.apis, gateway, requestsFile }
}

/** One call for every key, each to its own API. */
function requestsFor(apis: readonly SeededApi[], keys: readonly SeededKey[]): string[] {
  const slugs = new Map(apis.map(({ id, slug }) => [id, slug]))
  return keys.map(({ apiId, key }) =>
    requestText({
      method: 'GET',
      path: `/${slugs.get(apiId)}/v1/things?limit=20`,
      headers: {
        Host: 'api.example.com',
        Accept: 'application/json',
        'User-Agent': 'bench/1.0',
        'X-API-Key': key,
      },
    }),
  )
}

function contender(
  { name, gateway, requestsFile }: Setting,
  load: LoadGenerator,
  log: (line: string) => void,
): Contender<Measurement> {
  return {
    name,
    async measure() {
      const result = await load.run({
        host: '127.0.0.1',
        port: gateway.port,
        connections: CONNECTIONS,
        durationMs: ROUND_MS,
        requestsFile,
        expectStatus: 200,
      })
      const memoryMb = gateway.residentMb()
      log(
        `${name}: ${Math.round(result.requestsPerSecond)} req/s, p99 ${result.p99} µs, ${Math.round(memoryMb)} MB`,
      )
      return { ...result, memoryMb }
    },
  }
}

function figures(
  settings: readonly Setting[],
  results: ReadonlyMap<string, readonly Measurement[]>,
): Figure[] {
  const of = (name: string, field: 'requestsPerSecond' | 'p50' | 'p99' | 'memoryMb') =>
    (results.get(name) ?? []).map((result) => result[field])
  const plain = (field: 'requestsPerSecond' | 'p50' | 'p99') => ({
    name: 'plain Caddy',
    values: of('plain', field),
  })
  const ten = { name: '10 APIs', values: of('10 APIs', 'requestsPerSecond') }
  return settings.slice(1).flatMap(({ name, apis, gateway }) => [
    figure({
      name: `${name}, to plain`,
      unit: 'req/s',
      values: of(name, 'requestsPerSecond'),
      peer: plain('requestsPerSecond'),
      ...(apis === 10 ? { bar: { of: 'ratio' as const, atLeast: AT_LEAST_OF_PLAIN } } : {}),
    }),
    ...(apis === 10
      ? []
      : [
          figure({
            name: `${name}, to 10 APIs`,
            unit: 'req/s',
            values: of(name, 'requestsPerSecond'),
            peer: ten,
            bar: { of: 'ratio' as const, atLeast: AT_LEAST_OF_TEN[apis] ?? 1 },
          }),
        ]),
    figure({ name: `${name}, p50`, unit: 'µs', values: of(name, 'p50'), peer: plain('p50') }),
    figure({ name: `${name}, p99`, unit: 'µs', values: of(name, 'p99'), peer: plain('p99') }),
    figure({
      name: `${name}, Caddy's memory`,
      unit: 'MB',
      values: of(name, 'memoryMb'),
      ...(apis === 5_000 ? { bar: { of: 'value' as const, atMost: MOST_MEMORY_MB } } : {}),
    }),
    figure({ name: `${name}, push`, unit: 'ms', values: [gateway.pushMs] }),
  ])
}
