import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startTestCaddy, type TestCaddy } from '#test/caddy'
import {
  anApi,
  desiredGateway,
  pushDesired,
  startEchoUpstream,
  startStandInEdge,
  testKeyId,
} from '#test/gateway'
import { eventually } from '#test/poll'
import type { ShippedEvent } from '../../../src/modules/gateway/shipper-client'
import { line, lines, pathsOf, range, ShipperFixture, shipAll, TOKEN } from './shipper-fixture'

let fixture: ShipperFixture
beforeEach(() => {
  fixture = new ShipperFixture()
})
afterEach(() => fixture.dispose())

const paths = () => fixture.api.events.map(({ path }) => path)
const sequences = () => fixture.api.events.map(({ sequence }) => sequence)

describe('the log is cut in place, as copytruncate does', () => {
  test('by a writer that appends: what is written behind is shipped, once', async () => {
    const { log } = fixture
    const shipper = fixture.newShipper()
    writeFileSync(fixture.rotated('2026-01-01T00-00-00.000'), lines(0, 3))
    writeFileSync(log, lines(3, 6))
    await shipAll(shipper)
    truncateSync(log)
    await shipAll(shipper)
    appendFileSync(log, lines(6, 8))
    await shipAll(shipper)
    await shipAll(fixture.newShipper())
    expect(paths()).toEqual(pathsOf(0, 8))
    expect(sequences()).toEqual(range(1, 9))
  })

  test('by one that does not, and leaves a hole', async () => {
    const { log } = fixture
    const writer = openSync(log, 'w')
    writeSync(writer, lines(0, 3))
    const shipper = fixture.newShipper()
    await shipAll(shipper)
    truncateSync(log)
    await shipAll(shipper)
    writeSync(writer, lines(3, 5))
    expect(readFileSync(log)[0]).toBe(0)
    await shipAll(shipper)
    closeSync(writer)
    expect(paths()).toEqual(pathsOf(0, 5))
  })

  test('to a part of it: what is left was shipped, what follows is not lost', async () => {
    const { log } = fixture
    const shipper = fixture.newShipper()
    writeFileSync(log, lines(0, 2))
    await shipAll(shipper)
    appendFileSync(log, lines(2, 6))
    await shipAll(shipper)
    const ids = () => new Set(fixture.api.events.map(({ id }) => id))
    const before = ids().size
    truncateSync(log, Math.floor(readFileSync(log).length / 2))
    appendFileSync(log, `\n${lines(6, 7)}`)
    await shipAll(shipper)
    // The ledger knows those that come twice by their ids.
    expect(ids().size).toBe(before + 1)
    expect(new Set(sequences()).size).toBe(sequences().length)
  })
})

describe('Caddy', () => {
  test('wrote half a line on a full disk: the next call, in the same line, is shipped', async () => {
    writeFileSync(fixture.log, line('/0') + line('/lost').slice(0, 90) + line('/1') + line('/2'))
    const rounds = await shipAll(fixture.newShipper())
    expect(rounds).toMatchObject([{ shipped: 3, malformed: 0 }])
    expect(paths()).toEqual(pathsOf(0, 3))
  })

  test('is killed and starts again: every call of before and after', async () => {
    const [edge, upstream] = [startStandInEdge(), startEchoUpstream('upstream')]
    const caddy = await startTestCaddy()
    try {
      const keyId = testKeyId(1)
      const api = anApi({
        ...{ slug: 'weather', keyIds: [keyId], upstreamUrl: `http://127.0.0.1:${upstream.port}` },
      })
      const shipper = fixture.newShipper({ logPath: caddy.logFile, pollMs: 5 })
      shipper.start()
      for (let round = 0; round < 2; round++) {
        await pushDesired(caddy, desiredGateway(caddy, [edge.port], [api]))
        for (let n = 0; n < 5; n++) await callGateway(caddy, keyId, `/weather/${round * 5 + n}`)
        await caddy.restart()
      }
      await eventually(() => fixture.api.events.length >= 10, 'ten events')
      await shipper.stop()
      expect(paths()).toEqual(pathsOf(0, 10).map((path) => `/weather${path}`))
      expect(sequences()).toEqual(range(1, 11))
      expect(fixture.api.events[0]).toMatchObject({ keyId: `key_${keyId}`, status: 200 })
    } finally {
      await caddy.stop()
      await Promise.all([edge.stop(), upstream.stop()])
    }
  })
})

async function callGateway(caddy: TestCaddy, keyId: string, path: string) {
  const headers = { 'x-api-key': `veil_${keyId}_good` }
  const { status } = await fetch(`${caddy.gatewayUrl}${path}`, { headers, keepalive: false })
  expect(status).toBe(200)
}

describe('the API', () => {
  test('is away while the log rotates again and again: all of it comes later, in order', async () => {
    const { api, log } = fixture
    await api.stop()
    const shipper = fixture.newShipper()
    const waits: number[] = []
    for (let n = 0; n < 60; n++) {
      appendFileSync(log, lines(n * 2, n * 2 + 2))
      if (n % 20 === 10) renameSync(log, fixture.rotated(`2026-01-01T00-00-${n}.000`))
      waits.push((await shipper.runOnce()).waitMs ?? 0)
    }
    // A hundredth of the ceiling, which the jitter chose here: 30 s at most, however long it lasts.
    expect(Math.max(...waits)).toBe(300)
    expect(waits.at(-1)).toBe(300)
    api.restart()
    await shipAll(shipper)
    expect(paths()).toEqual(pathsOf(0, 120))
    expect(sequences()).toEqual(range(1, 121))
  })

  test('takes batches of a wave, but not the first: all of them again, under their numbers', async () => {
    const { api, log } = fixture
    writeFileSync(log, lines(0, 2_500))
    let refused = false
    api.answer = ([first]) => {
      if (refused || first?.sequence !== 1) return null
      refused = true
      return new Response('', { status: 503 })
    }
    const shipper = fixture.newShipper()
    expect(await shipper.runOnce()).toMatchObject({ shipped: 0, waitMs: expect.any(Number) })
    expect(api.batches.map(({ length }) => length).toSorted()).toEqual([1_000, 500])
    const taken = byNumber(api.events)
    expect(fixture.pieces()).toEqual([])
    api.batches = []
    await shipAll(shipper)
    expect(byNumber(api.events).slice(1_000)).toEqual(taken)
    expect(byNumber(api.events).map(({ path }) => path)).toEqual(pathsOf(0, 2_500))
  })

  test('refuses one in the middle: what is before it is done', async () => {
    const { api, log } = fixture
    writeFileSync(log, lines(0, 2_500))
    api.answer = ([first]) => (first?.sequence === 1_001 ? new Response('', { status: 503 }) : null)
    const shipper = fixture.newShipper()
    expect(await shipper.runOnce()).toMatchObject({ shipped: 1_000, waitMs: expect.any(Number) })
    expect(fixture.pieces()).toMatchObject([{ first: 1, count: 1_000 }])
    api.answer = () => null
    const round = await shipper.runOnce()
    expect(round).toMatchObject({ shipped: 1_500, waitMs: null })
  })

  test('gets batches compressed, and as they are where that is not understood', async () => {
    const { api, log } = fixture
    writeFileSync(log, lines(0, 3))
    await shipAll(fixture.newShipper())
    expect([...api.encodings]).toEqual(['gzip'])
    for (const status of [400, 415]) {
      api.encodings.clear()
      api.answer = (_events, { headers }) =>
        headers.has('content-encoding') ? new Response('', { status }) : null
      const shipper = fixture.newShipper()
      appendFileSync(log, lines(3, 5))
      expect(await shipper.runOnce()).toMatchObject({ shipped: 2, waitMs: null })
      expect([...api.encodings]).toEqual(['gzip', null])
      // It does not try again and again.
      api.encodings.clear()
      appendFileSync(log, lines(5, 6))
      await shipper.runOnce()
      expect([...api.encodings]).toEqual([null])
    }
  })
})

describe('a full disk', () => {
  const start = (blocks: string) => {
    const { log: logPath, journal: journalPath, api } = fixture
    const options = { gatewayId: 'gateway-1', logPath, journalPath, url: api.url, token: TOKEN }
    const script = join(import.meta.dirname, 'shipper-process.ts')
    // Writes beyond so many blocks fail in the middle, as they do on a full disk; no signal is sent.
    const command = `trap '' XFSZ; ulimit -f ${blocks}; exec "$0" "$@"`
    const child = ['sh', '-c', command, process.execPath, script]
    return Bun.spawn([...child, JSON.stringify({ ...options, pollMs: 5 })], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
  }

  test('the journal cannot be written: the same numbers again and again, until it can', async () => {
    const { api, log } = fixture
    const full = start('1')
    let written = 0
    const again = () => {
      const last = api.tries.at(-1)?.[0]?.sequence
      return api.tries.filter(([first]) => first?.sequence === last).length > 3
    }
    try {
      await eventually(() => {
        appendFileSync(log, lines(written, ++written))
        return again()
      }, 'the same piece many times')
    } finally {
      full.kill('SIGKILL')
      await full.exited
    }
    const usable = start('unlimited')
    try {
      appendFileSync(log, lines(written, ++written))
      const ids = () => new Set(api.events.map(({ id }) => id))
      await eventually(() => ids().size >= written, 'all calls')
    } finally {
      usable.kill('SIGKILL')
      await usable.exited
    }
    const known = new Map<string, number>()
    for (const { id, sequence } of api.events) {
      expect(known.get(id) ?? sequence).toBe(sequence)
      known.set(id, sequence)
    }
    expect([...new Set(sequences())].sort((a, b) => a - b)).toEqual(range(1, written + 1))
  })
})

test('the file in which shipping stood was removed: it goes on with what follows', async () => {
  const { log } = fixture
  const shipper = fixture.newShipper()
  writeFileSync(log, lines(0, 3))
  await shipAll(shipper)
  renameSync(log, fixture.rotated('2026-01-01T00-00-00.000'))
  writeFileSync(log, lines(3, 5))
  await shipAll(shipper)
  unlinkSync(log)
  await shipAll(shipper)
  writeFileSync(log, lines(5, 7))
  await shipAll(shipper)
  expect(paths()).toEqual(pathsOf(0, 7))
  expect(sequences()).toEqual(range(1, 8))
})

const byNumber = (events: ShippedEvent[]) => events.toSorted((a, b) => a.sequence - b.sequence)
