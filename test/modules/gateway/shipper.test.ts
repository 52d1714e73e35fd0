import { randomUUID } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '#test/poll'
import type { ShipperOptions } from '../../../src/modules/gateway/shipper'
import {
  isMisconfigured,
  patienceMs,
  type ShippedEvent,
} from '../../../src/modules/gateway/shipper-client'
import { listLogFiles, readLines } from '../../../src/modules/gateway/shipper-log'
import type { IngestStandIn } from './ingest-stand-in'
import {
  KEY,
  line,
  lines,
  pathsOf,
  range,
  refusedByGateway,
  ShipperFixture,
  shipAll,
  TOKEN,
} from './shipper-fixture'

let fixture: ShipperFixture
let log: string
let api: IngestStandIn
beforeEach(() => {
  fixture = new ShipperFixture()
  log = fixture.log
  api = fixture.api
})
afterEach(() => fixture.dispose())

const newShipper = (change: Partial<ShipperOptions> = {}) => fixture.newShipper(change)
const journal = () => fixture.journal
const paths = () => api.events.map(({ path }) => path)
const sequences = () => api.events.map(({ sequence }) => sequence)

describe('from the log to the API', () => {
  test('a line becomes an event', async () => {
    const id = randomUUID()
    writeFileSync(log, line('/weather', id))
    expect(await newShipper().runOnce()).toMatchObject({ shipped: 1, malformed: 0 })
    expect(api.events).toEqual([
      {
        ...{ id, gatewayId: 'gateway-1', sequence: 1, keyId: `key_${KEY}` },
        ...{ method: 'GET', path: '/weather', status: 200, durationMs: 13 },
        ...{ requestBytes: 3, responseBytes: 42, at: '2026-09-21T14:13:20.123Z' },
      },
    ])
    expect([...api.tokens]).toEqual([`Bearer ${TOKEN}`])
  })

  test('refused calls are skipped, malformed lines counted, neither takes a number or blocks', async () => {
    writeFileSync(log, `${line('/0')}${refusedByGateway}not json\n\n{}\n${line('/1')}`)
    const rounds = await shipAll(newShipper())
    expect(rounds).toMatchObject([{ shipped: 2, skipped: 1, malformed: 3 }])
    expect(paths()).toEqual(['/0', '/1'])
    expect(sequences()).toEqual([1, 2])
  })

  test('half a line waits for its end', async () => {
    const whole = line('/1')
    writeFileSync(log, line('/0') + whole.slice(0, 50))
    const shipper = newShipper()
    await shipAll(shipper)
    expect(paths()).toEqual(['/0'])
    appendFileSync(log, whole.slice(50, -1))
    expect(await shipper.runOnce()).toMatchObject({ shipped: 0, malformed: 0 })
    appendFileSync(log, '\n')
    await shipAll(shipper)
    expect(paths()).toEqual(['/0', '/1'])
  })

  test('a log that is not there yet is waited for', async () => {
    const shipper = newShipper()
    shipper.start()
    writeFileSync(log, lines(0, 3))
    await eventually(() => api.events.length === 3, 'three events')
    appendFileSync(log, lines(3, 5))
    await eventually(() => api.events.length === 5, 'five events')
    await shipper.stop()
    expect(paths()).toEqual(pathsOf(0, 5))
  })
})

describe('crashes', () => {
  test('between post and checkpoint: the same events under the same numbers', async () => {
    writeFileSync(log, lines(0, 10))
    await shipAll(newShipper())
    appendFileSync(log, lines(10, 20))
    // The API has the batch, but its answer does not arrive: for the checkpoint that is a crash.
    const seen: ShippedEvent[] = []
    api.answer = (events) => {
      seen.push(...events)
      return new Response('', { status: 502 })
    }
    expect(await newShipper().runOnce()).toMatchObject({ shipped: 0, waitMs: expect.any(Number) })
    api.answer = () => null
    appendFileSync(log, lines(20, 25))
    await shipAll(newShipper())
    expect(api.events.slice(10, 20)).toEqual(seen)
    expect(sequences()).toEqual(range(1, 26))
    expect(paths()).toEqual(pathsOf(0, 25))
  })

  test('a lost or broken journal: all that is there again, under numbers that nobody has seen', async () => {
    writeFileSync(log, lines(0, 5))
    await shipAll(newShipper())
    for (const breakIt of [unlinkSync, (path: string) => writeFileSync(path, '{"gatewayId":\n')]) {
      breakIt(journal())
      api.batches = [api.events]
      const highest = Math.max(...sequences())
      await shipAll(newShipper())
      expect(api.events.slice(-5).map(({ id }) => id)).toEqual(
        api.events.slice(0, 5).map(({ id }) => id),
      )
      expect(sequences().slice(-5)).toEqual(range(highest + 1, highest + 6))
    }
  })

  test('a journal whose last line was cut off by a crash: that piece again, under its numbers', async () => {
    writeFileSync(log, lines(0, 5))
    const shipper = newShipper()
    await shipAll(shipper)
    appendFileSync(log, lines(5, 8))
    await shipAll(shipper)
    writeFileSync(journal(), readFileSync(journal(), 'utf8').slice(0, -20))
    appendFileSync(log, lines(8, 9))
    await shipAll(newShipper())
    expect(sequences()).toEqual([...range(1, 9), ...range(6, 10)])
    expect(paths().slice(-4)).toEqual(pathsOf(5, 9))
  })

  test('a gateway with a new name goes on where the old one was, under numbers of its own', async () => {
    writeFileSync(log, lines(0, 5))
    await shipAll(newShipper())
    appendFileSync(log, lines(5, 7))
    await shipAll(newShipper({ gatewayId: 'gateway-2' }))
    appendFileSync(log, lines(7, 8))
    await shipAll(newShipper())
    expect(paths()).toEqual(pathsOf(0, 8))
    expect(sequences()).toEqual([1, 2, 3, 4, 5, 1, 2, 6])
  })

  test('a journal that was set back goes on above the numbers that the API has', async () => {
    writeFileSync(log, lines(0, 5))
    await shipAll(newShipper())
    appendFileSync(log, lines(5, 7))
    api.highest = 5 + 4_000
    await shipAll(newShipper())
    expect(sequences().slice(5)).toEqual([6, 7])
    appendFileSync(log, lines(7, 9))
    api.highest = 8 + 4_000
    await shipAll(newShipper())
    expect(sequences().slice(7)).toEqual([4_009, 4_010])
    expect(paths()).toEqual(pathsOf(0, 9))
  })
})

describe('rotation', () => {
  const rotate = (time: string) => renameSync(log, fixture.rotated(time))

  test('the old file is drained first, then later ones in order', async () => {
    const shipper = newShipper()
    writeFileSync(log, lines(0, 3))
    await shipAll(shipper)
    appendFileSync(log, lines(3, 5))
    rotate('2026-01-01T00-00-00.000')
    writeFileSync(log, lines(5, 8))
    rotate('2026-01-01T00-00-01.000-size')
    writeFileSync(join(fixture.folder, 'usage-2025.log.gz'), 'not ours')
    writeFileSync(join(fixture.folder, 'usages.log'), lines(90, 91))
    writeFileSync(log, lines(8, 9))
    await shipAll(shipper)
    appendFileSync(log, lines(9, 10))
    await shipAll(newShipper())
    expect(paths()).toEqual(pathsOf(0, 10))
    expect(sequences()).toEqual(range(1, 11))
  })

  test('between rename and the new file there is only the old one', async () => {
    const shipper = newShipper()
    writeFileSync(log, lines(0, 2))
    await shipAll(shipper)
    rotate('2026-01-01T00-00-00.000')
    expect(existsSync(log)).toBe(false)
    expect(await shipper.runOnce()).toMatchObject({ shipped: 0, malformed: 0 })
    writeFileSync(log, lines(2, 4))
    await shipAll(shipper)
    expect(paths()).toEqual(pathsOf(0, 4))
  })

  test('a line that was cut off at the end of a rotated file is counted and passed', async () => {
    const shipper = newShipper()
    writeFileSync(log, lines(0, 2) + line('/lost').slice(0, 40))
    await shipAll(shipper)
    rotate('2026-01-01T00-00-00.000')
    writeFileSync(log, lines(2, 4))
    const rounds = await shipAll(shipper)
    expect(rounds.reduce((sum, { malformed }) => sum + malformed, 0)).toBe(1)
    expect(paths()).toEqual(pathsOf(0, 4))
  })

  test('a file that was replaced behind our back, even in the same inode, is read from its start', async () => {
    writeFileSync(log, lines(0, 5))
    await shipAll(newShipper())
    // Written in place: same inode, longer than what was shipped.
    writeFileSync(log, lines(5, 15))
    await shipAll(newShipper())
    expect(paths()).toEqual(pathsOf(0, 15))
  })
})

describe('an API in trouble', () => {
  test('away and back: nothing lost, in order, once', async () => {
    await api.stop()
    writeFileSync(log, lines(0, 10))
    const shipper = newShipper()
    expect(await shipper.runOnce()).toMatchObject({ shipped: 0, waitMs: expect.any(Number) })
    shipper.start()
    api.restart()
    await eventually(() => api.events.length >= 10, 'all events')
    await shipper.stop()
    expect(paths()).toEqual(pathsOf(0, 10))
    expect(sequences()).toEqual(range(1, 11))
  })

  test('a 429 is waited out as long as it says', async () => {
    writeFileSync(log, lines(0, 1))
    api.answer = () => new Response('', { status: 429, headers: { 'retry-after': '7' } })
    expect(await newShipper().runOnce()).toMatchObject({ waitMs: 7_000 })
  })

  test.each([400, 401, 404, 422, 500])('a %i drops nothing', async (status) => {
    writeFileSync(log, lines(0, 3))
    const shipper = newShipper()
    api.answer = () => new Response('', { status })
    for (let n = 0; n < 3; n++) expect((await shipper.runOnce()).waitMs).not.toBeNull()
    api.answer = () => null
    await shipAll(shipper)
    expect(paths()).toEqual(pathsOf(0, 3))
  })

  test('a server that says 200 to everything is not taken for the API', async () => {
    writeFileSync(log, lines(0, 3))
    api.answer = () => new Response('<h1>Welcome</h1>')
    expect((await newShipper().runOnce()).waitMs).not.toBeNull()
    expect(readFileSync(journal(), 'utf8')).toBe('')
  })

  test('a batch that is too large is halved until it fits', async () => {
    writeFileSync(log, lines(0, 100))
    api.answer = (events) => (events.length > 30 ? new Response('', { status: 413 }) : null)
    const shipper = newShipper()
    await shipAll(shipper)
    expect(paths()).toEqual(pathsOf(0, 100))
    expect(sequences()).toEqual(range(1, 101))
  })

  test.each([
    [null, 1, 0.5, 100],
    [null, 3, 0.999, 799],
    [null, 100, 0.999, 29_970],
    [2_000, 1, 0.5, 2_000],
    [0, 100, 0.5, 15_000],
  ])('asked for %s ms, refusal %i', (retryAfterMs, attempt, random, ms) => {
    expect(patienceMs(retryAfterMs, attempt, random)).toBe(ms)
  })

  test('only what time does not mend is a mistake of configuration', () => {
    const statuses = [null, 200, 302, 400, 401, 403, 404, 408, 413, 422, 429, 500, 503]
    expect(statuses.filter(isMisconfigured)).toEqual([200, 302, 400, 401, 403, 404, 413, 422])
  })
})

describe('a large log', () => {
  test('10 MB go in order in batches of at most 1,000, a bounded piece in memory', async () => {
    const padding = 'x'.repeat(400)
    const total = 16_000
    const text = range(0, total)
      .map((n) => line(`/${n}`, randomUUID(), padding))
      .join('')
    expect(text.length).toBeGreaterThan(10_000_000)
    writeFileSync(log, text)
    const [file] = await listLogFiles(log)
    const piece = (await readLines(file!, 0))?.lines.at(-1)?.end ?? 0
    expect(piece).toBeGreaterThan(500_000)
    expect(piece).toBeLessThanOrEqual(1024 * 1024)
    const largest: number[] = []
    api.answer = (events) => {
      largest.push(events.length)
      return null
    }
    await shipAll(newShipper())
    expect(Math.max(...largest)).toBeLessThanOrEqual(1_000)
    const inOrder = api.events.toSorted((a, b) => a.sequence - b.sequence)
    expect(inOrder.map(({ sequence }) => sequence)).toEqual(range(1, total + 1))
    expect(inOrder.map(({ path }) => path)).toEqual(pathsOf(0, total))
  })

  test('a line longer than a chunk is shipped whole', async () => {
    writeFileSync(log, line('/0') + line('/1', randomUUID(), 'x'.repeat(3_000_000)) + line('/2'))
    await shipAll(newShipper())
    expect(paths()).toEqual(['/0', '/1', '/2'])
  })

  test('the journal is small and whole', async () => {
    writeFileSync(log, lines(0, 5))
    await shipAll(newShipper())
    expect(JSON.parse(readFileSync(journal(), 'utf8'))).toMatchObject({
      ...{ gatewayId: 'gateway-1', first: 1, count: 5, offset: 0 },
      end: readFileSync(log).length,
    })
  })
})
