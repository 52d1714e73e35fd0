/** Posts batches of 1,000 calls over and over. Bodies are made once; each post patches ids and times. */

export interface UsageLoadPlan {
  url: string
  token: string
  /** A JSON file with the keys that are called. */
  keysFile: string
}

type Keys = { keyId: string; slug: string }[]

/** Until so many calls are posted or so much time is over. */
export interface UsageLoadOrder {
  connections: number
  calls?: number
  durationMs?: number
}

export interface UsageLoadReport {
  accepted: number
  ms: number
}

const BATCH = 1_000
const ENDINGS = [
  '',
  '/lines',
  '/owner',
  '/history',
  '/prices',
  '/x',
  '/y',
  '/z',
  '/images',
  '/tags',
]
const NIBBLES = Buffer.from('0123456789abcdef')

interface Body {
  bytes: Buffer
  /** Where the patched part of each call's id and time begins. */
  ids: number[]
  times: number[]
}

function makeBody(keys: Keys, first: number): Body {
  const at = '2000-01-01T00:00:00.000Z'
  const events = Array.from({ length: BATCH }, (_, index) => {
    const { keyId, slug } = keys[(first + index) % keys.length] ?? { keyId: '', slug: '' }
    return {
      id: '00000000-0000-7000-8000-000000000000',
      gatewayId: 'gateway-1',
      sequence: 1_000_000 + index,
      keyId,
      method: 'GET',
      path: `/${slug}/v1/things/${100_000 + index}${ENDINGS[index % ENDINGS.length]}`,
      status: index % 25 === 0 ? 404 : 200,
      durationMs: (index * 7) % 300,
      requestBytes: 0,
      responseBytes: 512,
      at,
    }
  })
  const text = JSON.stringify({ events })
  const places = (mark: string) =>
    [...text.matchAll(new RegExp(mark, 'g'))].map(({ index }) => index)
  return { bytes: Buffer.from(text), ids: places('00000000-0000-7000'), times: places(at) }
}

/** The first 48 bits of a UUIDv7 are the time; the last 48 bits count the calls of this run. */
function patch({ bytes, ids, times }: Body, first: number, now: Date): void {
  const hex = now.getTime().toString(16).padStart(12, '0')
  const head = `${hex.slice(0, 8)}-${hex.slice(8)}`
  const at = now.toISOString()
  for (let index = 0; index < BATCH; index++) {
    const id = ids[index] ?? 0
    bytes.write(head, id, 'latin1')
    let number = first + index
    for (let digit = 35; digit >= 24; digit--) {
      bytes[id + digit] = NIBBLES[number & 15] ?? 0
      number = Math.floor(number / 16)
    }
    bytes.write(at, times[index] ?? 0, 'latin1')
  }
}

async function main(): Promise<void> {
  const plan: UsageLoadPlan = JSON.parse(process.argv[2] ?? '')
  const keys: Keys = await Bun.file(plan.keysFile).json()
  const bodies = Array.from({ length: Math.ceil(keys.length / BATCH) }, (_, index) =>
    makeBody(keys, index * BATCH),
  )
  let posted = 0

  async function post(body: Body): Promise<number> {
    patch(body, posted, new Date())
    posted += BATCH
    const answer = await fetch(`${plan.url}/usage/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${plan.token}`, 'content-type': 'application/json' },
      body: body.bytes,
    })
    if (answer.status !== 202) throw new Error(`${answer.status} ${await answer.text()}`)
    return ((await answer.json()) as { accepted: number }).accepted
  }

  process.on('message', async (order: UsageLoadOrder) => {
    const { connections, calls = Infinity, durationMs = Infinity } = order
    const started = performance.now()
    const report: UsageLoadReport = { accepted: 0, ms: 0 }
    let ordered = 0
    const isOver = () => ordered >= calls || performance.now() - started >= durationMs
    async function connection(): Promise<void> {
      while (!isOver()) {
        ordered += BATCH
        const body = bodies.shift()
        if (!body) throw new Error('more connections than bodies')
        const accepted = await post(body)
        report.accepted += accepted
        bodies.push(body)
      }
    }
    await Promise.all(Array.from({ length: connections }, connection))
    report.ms = performance.now() - started
    process.send?.(report)
  })
  process.send?.('ready')
}

await main()
