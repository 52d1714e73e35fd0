import { appendFileSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lines, range, refusedByGateway, ShipperFixture, shipAll } from './shipper-fixture'

let fixture: ShipperFixture
beforeEach(() => {
  fixture = new ShipperFixture()
})
afterEach(() => fixture.dispose())

/** Asks in every round. */
const newShipper = () => fixture.newShipper({ gapPollMs: 0 })

/** Numbers 1 to 30 in three pieces: 1–10 and 11–20 in a rotated file, 21–30 in the present one. */
async function shipThirty() {
  const { log } = fixture
  const shipper = newShipper()
  writeFileSync(log, lines(0, 10))
  await shipAll(shipper)
  appendFileSync(log, `${refusedByGateway}not a line\n${lines(10, 20)}`)
  await shipAll(shipper)
  renameSync(log, fixture.rotated('2026-01-01T00-00-00.000'))
  writeFileSync(log, lines(20, 30))
  await shipAll(shipper)
  const { api } = fixture
  const sent = api.events
  expect(sent.map(({ sequence }) => sequence)).toEqual(range(1, 31))
  api.batches = []
  api.highest = 30
  return sent
}

test('what the API misses is sent again: the same events under the same numbers', async () => {
  const sent = await shipThirty()
  fixture.api.gaps = [
    { first: 4, last: 6 },
    { first: 9, last: 23 },
  ]
  await newShipper().runOnce()
  expect(fixture.api.events).toEqual([...sent.slice(3, 6), ...sent.slice(8, 23)])
  expect(fixture.api.unrecoverable).toEqual([])
})

test('also after the journal was joined', async () => {
  const sent = await shipThirty()
  newShipper()
  expect(fixture.pieces()).toHaveLength(3)
  await newShipper().runOnce()
  expect(fixture.pieces()).toHaveLength(2)
  fixture.api.gaps = [{ first: 9, last: 23 }]
  await newShipper().runOnce()
  expect(fixture.api.events).toEqual(sent.slice(8, 23))
})

test('what the API has forgotten behind its highest number, too', async () => {
  const sent = await shipThirty()
  fixture.api.highest = 17
  await newShipper().runOnce()
  expect(fixture.api.events).toEqual(sent.slice(17))
})

test('numbers that are on their way are not sent twice, nor called lost', async () => {
  await shipThirty()
  const { api, log } = fixture
  api.highest = 33
  api.gaps = [{ first: 31, last: 32 }]
  appendFileSync(log, lines(30, 33))
  await newShipper().runOnce()
  expect(api.events.map(({ sequence }) => sequence)).toEqual([31, 32, 33])
  expect(api.unrecoverable).toEqual([])
})

test('what the log has no more is reported, the rest is sent', async () => {
  const sent = await shipThirty()
  unlinkSync(fixture.rotated('2026-01-01T00-00-00.000'))
  fixture.api.gaps = [
    { first: 2, last: 3 },
    { first: 15, last: 25 },
  ]
  await newShipper().runOnce()
  expect(fixture.api.events).toEqual(sent.slice(20, 25))
  expect(fixture.api.unrecoverable).toEqual([
    { first: 2, last: 3 },
    { first: 15, last: 20 },
  ])
})

test('a file that is not what it was is not taken for it', async () => {
  await shipThirty()
  const rotated = fixture.rotated('2026-01-01T00-00-00.000')
  // In the same inode, and longer than before.
  writeFileSync(rotated, lines(50, 90))
  fixture.api.gaps = [{ first: 1, last: 20 }]
  await newShipper().runOnce()
  expect(fixture.api.events).toEqual([])
  expect(fixture.api.unrecoverable).toEqual([{ first: 1, last: 20 }])
})

test('a piece that does not hold as many calls as it did is not guessed at', async () => {
  const sent = await shipThirty()
  const rotated = fixture.rotated('2026-01-01T00-00-00.000')
  const [first = '', second = '', ...others] = readFileSync(rotated, 'utf8').split('\n')
  writeFileSync(rotated, [first, 'x'.repeat(second.length), ...others].join('\n'))
  fixture.api.gaps = [{ first: 5, last: 22 }]
  await newShipper().runOnce()
  expect(fixture.api.events).toEqual(sent.slice(20, 22))
  expect(fixture.api.unrecoverable).toEqual([{ first: 5, last: 20 }])
})

test('a refusal while gaps are filled does not hold up new calls', async () => {
  const sent = await shipThirty()
  const { api, log } = fixture
  api.gaps = [{ first: 4, last: 6 }]
  api.answer = ([event]) => (event?.sequence === 4 ? new Response('', { status: 503 }) : null)
  appendFileSync(log, lines(30, 33))
  const shipper = newShipper()
  expect(await shipper.runOnce()).toMatchObject({ shipped: 3, waitMs: null })
  api.answerGaps = () => new Response('', { status: 500 })
  appendFileSync(log, lines(33, 34))
  expect(await shipper.runOnce()).toMatchObject({ shipped: 1, waitMs: null })
  api.answerGaps = () => null
  api.answer = () => null
  api.highest = 34
  await shipper.runOnce()
  expect(api.events.slice(4)).toEqual(sent.slice(3, 6))
})

test('between two questions the shipper only ships', async () => {
  await shipThirty()
  const { api } = fixture
  let questions = 0
  api.answerGaps = () => {
    questions++
    return null
  }
  const shipper = fixture.newShipper({ gapPollMs: 3_600_000 })
  for (let n = 0; n < 5; n++) await shipper.runOnce()
  expect(questions).toBe(1)
})

test('nothing is shipped before the API has said where numbers stand', async () => {
  const { api, log } = fixture
  writeFileSync(log, lines(0, 3))
  api.answerGaps = () => new Response('', { status: 503, headers: { 'retry-after': '9' } })
  const shipper = newShipper()
  expect(await shipper.runOnce()).toMatchObject({ shipped: 0, waitMs: 9_000 })
  expect(api.tries).toEqual([])
  api.answerGaps = () => Response.json({ message: 'Welcome' })
  expect(await shipper.runOnce()).toMatchObject({ shipped: 0, waitMs: expect.any(Number) })
  api.answerGaps = () => null
  api.highest = 41
  await shipper.runOnce()
  expect(api.events.map(({ sequence }) => sequence)).toEqual([42, 43, 44])
})
