import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, startChild } from './child.ts'

/** One run of the load generator: every connection sends, waits for the answer, sends again. */
export interface LoadPlan {
  host: string
  port: number
  connections: number
  durationMs: number
  /** A JSON file with an array of whole HTTP/1.1 requests as text, sent in turn. */
  requestsFile: string
  /** Any other status fails the run. */
  expectStatus: number
}

export interface LoadResult {
  requests: number
  requestsPerSecond: number
  /** Microseconds. */
  p50: number
  p99: number
  /** Answers with another status or a broken connection; `sample` is the first. */
  failures: number
  sample: string | null
}

/** The load generator, in a process of its own so that it shares no event loop with anything. */
export class LoadGenerator {
  readonly #child: Child<LoadPlan, LoadResult> = startChild(
    join(import.meta.dirname, 'load-generator.ts'),
    null,
  )

  /** Throws when an answer was not the expected one: a fast refusal is no result. */
  async run(plan: LoadPlan): Promise<LoadResult> {
    this.#child.send(plan)
    const result = await this.#child.receive()
    if (result.failures > 0 || result.requests === 0) {
      throw new Error(`${result.failures} failures, ${result.requests} answers: ${result.sample}`)
    }
    return result
  }

  stop(): Promise<void> {
    return this.#child.stop()
  }
}

export interface RequestParts {
  method: string
  path: string
  headers: Record<string, string>
}

/** The bytes of a request without body. */
export function requestText({ method, path, headers }: RequestParts): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

export function writeRequests(file: string, requests: readonly string[]): void {
  writeFileSync(file, JSON.stringify(requests))
}
