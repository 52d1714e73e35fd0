import { execFileSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lines, ShipperFixture, TOKEN } from './shipper-fixture'

const MEGABYTE = 1_000_000
const LINES_A_BLOCK = 3_000

let fixture: ShipperFixture
beforeEach(() => {
  fixture = new ShipperFixture()
})
afterEach(() => fixture.dispose())

/** In bytes. */
const residentOf = (pid: number) =>
  Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1_024

test('200 MB of log after an outage are shipped in a memory that does not grow with them', async () => {
  const { log: logPath, journal: journalPath } = fixture
  // The numbers are what counts here; the same calls again and again save the time to make others.
  const block = lines(0, LINES_A_BLOCK)
  let total = 0
  for (let size = 0; size < 200 * MEGABYTE; size += block.length, total += LINES_A_BLOCK) {
    appendFileSync(logPath, block)
  }
  let [count, highest] = [0, 0]
  const api = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      if (request.method === 'GET') return Response.json({ highest: 0, gaps: [] })
      const bytes = Bun.gunzipSync(new Uint8Array(await request.arrayBuffer()))
      const { events } = JSON.parse(Buffer.from(bytes).toString())
      count += events.length
      highest = Math.max(highest, events.at(-1).sequence)
      return Response.json({ accepted: events.length, rejected: [] }, { status: 202 })
    },
  })
  const options = { logPath, journalPath, gatewayId: 'gateway-1', token: TOKEN }
  const argument = JSON.stringify({ ...options, url: `http://127.0.0.1:${api.port}` })
  const script = join(import.meta.dirname, 'shipper-process.ts')
  const shipper = Bun.spawn([process.execPath, script, argument], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  try {
    let [early, most] = [0, 0]
    const deadline = performance.now() + 25_000
    while (count < total && performance.now() < deadline) {
      await Bun.sleep(50)
      most = Math.max(most, residentOf(shipper.pid))
      // When its buffers are in use, and hardly anything is done.
      if (count < total / 10) early = most
    }
    expect({ count, highest }).toEqual({ count: total, highest: total })
    expect(early).toBeGreaterThan(20 * MEGABYTE)
    expect(most - early).toBeLessThan(100 * MEGABYTE)
  } finally {
    shipper.kill('SIGKILL')
    await shipper.exited
    await api.stop(true)
  }
})
