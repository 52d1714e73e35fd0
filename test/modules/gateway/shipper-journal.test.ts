import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type JournalEntry,
  joinPieces,
  ShipperJournal,
} from '../../../src/modules/gateway/shipper-journal'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veil-journal-'))
  path = join(folder, 'shipper.journal')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Longer than a real one, so that the journal grows faster. */
const HEAD = 'a'.repeat(1_000)

const piece = (first: number, count: number, change: Partial<JournalEntry> = {}): JournalEntry => ({
  ...{ gatewayId: 'gateway-1', first, count, identity: '1:1', head: HEAD },
  ...{ offset: (first - 1) * 100, end: (first - 1 + count) * 100, ...change },
})

test('what was added is there after a new start, the newest of it is where shipping stands', async () => {
  const journal = await ShipperJournal.open(path)
  expect(journal.last).toBeNull()
  const pieces = [piece(1, 10), piece(20, 5), piece(40, 1)]
  for (const added of pieces) await journal.append(added)
  expect(journal.last).toEqual(pieces[2])
  const again = await ShipperJournal.open(path)
  expect(again.last).toEqual(pieces[2])
  expect(await again.entries()).toEqual(pieces)
})

test('a line that was cut off is dropped and written over, a damaged one is passed', async () => {
  const journal = await ShipperJournal.open(path)
  for (const added of [piece(1, 10), piece(20, 5)]) await journal.append(added)
  appendFileSync(path, '{"gatewayId":"gateway-1","first":40,"cou')
  const again = await ShipperJournal.open(path)
  expect(again).toMatchObject({ last: piece(20, 5), damaged: 0 })
  // As after an attempt on a full disk.
  appendFileSync(path, '{"gatewayId":"gateway-1","first":40,"count":1,"identity":"a very long one"')
  await again.append(piece(40, 1))
  expect(await again.entries()).toEqual([piece(1, 10), piece(20, 5), piece(40, 1)])
  writeFileSync(path, readFileSync(path, 'utf8').replace('"first":20', '"first":"?"'))
  const damaged = await ShipperJournal.open(path)
  expect(damaged.damaged).toBe(1)
  expect(await damaged.entries()).toEqual([piece(1, 10), piece(40, 1)])
})

test('it stays small: pieces are joined, those of files that are gone are forgotten', async () => {
  const journal = await ShipperJournal.open(path)
  // Distances that cannot be joined.
  for (let n = 0; n < 1_500; n++) {
    await journal.append(piece(1 + n * 20, 10, { identity: n < 1_000 ? 'old' : '1:1' }))
    await journal.append(piece(11 + n * 20, 5, { identity: n < 1_000 ? 'old' : '1:1' }))
    await journal.compact((identity) => identity !== 'old')
  }
  const entries = await journal.entries()
  expect(readFileSync(path).length).toBeLessThan(2_100_000)
  expect(entries.filter(({ identity }) => identity === 'old').length).toBe(0)
  expect(joinPieces(entries).filter(({ identity }) => identity === '1:1')).toEqual(
    Array.from({ length: 500 }, (_, n) => piece(1 + (n + 1_000) * 20, 15)),
  )
})

test('the newest piece is kept even when its file is gone', async () => {
  const journal = await ShipperJournal.open(path)
  for (let n = 0; n < 1_000; n++) await journal.append(piece(1 + n * 20, 10))
  await journal.compact(() => false)
  expect(await journal.entries()).toEqual([piece(1 + 999 * 20, 10)])
  expect((await ShipperJournal.open(path)).last).toEqual(piece(1 + 999 * 20, 10))
})

test('joined pieces tell the same: where each number is to be found', () => {
  const step = fc.record({
    count: fc.integer({ min: 0, max: 6 }),
    skip: fc.boolean(),
    identity: fc.constantFrom('1:1', '1:2'),
  })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const pieces: JournalEntry[] = []
      let next = 1
      let end = 0
      for (const { count, skip, identity } of steps) {
        const offset = skip ? end + 7 : end
        end = offset + count * 100
        pieces.push(piece(next, count, { identity, offset, end }))
        next += count
      }
      const joined = joinPieces(pieces, 10)
      const places = (some: JournalEntry[]) =>
        some.flatMap(({ first, count, identity, offset }) =>
          Array.from({ length: count }, (_, n) => [first + n, identity, offset + n * 100]),
        )
      expect(places(joined)).toEqual(places(pieces))
      expect(joined.at(-1)?.end).toEqual(pieces.at(-1)?.end)
      expect(joined.every(({ count }) => count <= 10)).toBe(true)
      expect(joinPieces(joined, 10)).toEqual(joined)
    }),
  )
})
