import type { Socket } from 'bun'
import type { LoadPlan, LoadResult } from './load.ts'
import { readAnswer } from './response-reader.ts'

/** Latencies in slots of 5 µs up to half a second. */
const SLOT_MICROSECONDS = 5
const SLOTS = 100_000

interface Connection {
  sentAt: number
  /** Bytes of an answer that has not arrived in whole. */
  partial: Buffer | null
  /** The rest of a request that the socket did not take at once. */
  unsent: Buffer | null
  rejected: (error: Error) => void
}

const requestsByFile = new Map<string, Buffer[]>()

async function loadRequests(file: string): Promise<Buffer[]> {
  const known = requestsByFile.get(file)
  if (known !== undefined) return known
  const texts = (await Bun.file(file).json()) as string[]
  const requests = texts.map((text) => Buffer.from(text, 'latin1'))
  requestsByFile.set(file, requests)
  return requests
}

class Run {
  readonly #latencies = new Uint32Array(SLOTS)
  readonly #plan: LoadPlan
  readonly #requests: Buffer[]
  #next = 0
  #answers = 0
  #failures = 0
  #sample: string | null = null
  #ending = false

  constructor(plan: LoadPlan, requests: Buffer[]) {
    this.#plan = plan
    this.#requests = requests
  }

  async measure(): Promise<LoadResult> {
    const sockets = await Promise.all(
      Array.from({ length: this.#plan.connections }, () => this.#connect()),
    )
    const started = performance.now()
    for (const socket of sockets) this.#send(socket)
    await Bun.sleep(this.#plan.durationMs)
    this.#ending = true
    const seconds = (performance.now() - started) / 1000
    const result = this.#result(seconds)
    for (const socket of sockets) socket.terminate()
    return result
  }

  #connect(): Promise<Socket<Connection>> {
    return Bun.connect<Connection>({
      hostname: this.#plan.host,
      port: this.#plan.port,
      data: { sentAt: 0, partial: null, unsent: null, rejected: () => {} },
      socket: {
        data: (socket, bytes) => this.#receive(socket, bytes),
        drain: (socket) => this.#flush(socket),
        close: () => this.#lost('connection closed'),
        error: (_, error) => this.#lost(String(error)),
      },
    })
  }

  #send(socket: Socket<Connection>): void {
    const request = this.#requests[this.#next] as Buffer
    this.#next = this.#next + 1 === this.#requests.length ? 0 : this.#next + 1
    socket.data.sentAt = performance.now()
    const written = socket.write(request)
    if (written < request.length) socket.data.unsent = request.subarray(Math.max(0, written))
  }

  #flush(socket: Socket<Connection>): void {
    const unsent = socket.data.unsent
    if (unsent === null) return
    const written = Math.max(0, socket.write(unsent))
    socket.data.unsent = written < unsent.length ? unsent.subarray(written) : null
  }

  #receive(socket: Socket<Connection>, bytes: Buffer): void {
    if (this.#ending) return
    const connection = socket.data
    const whole = connection.partial === null ? bytes : Buffer.concat([connection.partial, bytes])
    const answer = readAnswer(whole)
    if (answer === null) {
      // Bun may use the bytes' memory again after this call.
      connection.partial = connection.partial === null ? Buffer.from(whole) : whole
      return
    }
    connection.partial = null
    this.#answers++
    const micros = (performance.now() - connection.sentAt) * 1000
    const slot = Math.min(SLOTS - 1, Math.floor(micros / SLOT_MICROSECONDS))
    this.#latencies[slot] = (this.#latencies[slot] ?? 0) + 1
    if (answer.status !== this.#plan.expectStatus || answer.length !== whole.length) {
      this.#lost(whole.toString('latin1', 0, 900))
    }
    this.#send(socket)
  }

  #lost(sample: string): void {
    if (this.#ending) return
    this.#failures++
    this.#sample ??= sample
  }

  #result(seconds: number): LoadResult {
    return {
      requests: this.#answers,
      requestsPerSecond: this.#answers / seconds,
      p50: this.#percentile(0.5),
      p99: this.#percentile(0.99),
      failures: this.#failures,
      sample: this.#sample,
    }
  }

  #percentile(share: number): number {
    let left = this.#answers * share
    for (let slot = 0; slot < SLOTS; slot++) {
      left -= this.#latencies[slot] ?? 0
      if (left <= 0) return (slot + 1) * SLOT_MICROSECONDS
    }
    return SLOTS * SLOT_MICROSECONDS
  }
}

process.on('message', async (plan: LoadPlan) => {
  const requests = await loadRequests(plan.requestsFile)
  process.send?.(await new Run(plan, requests).measure())
})
process.on('disconnect', () => process.exit(0))
