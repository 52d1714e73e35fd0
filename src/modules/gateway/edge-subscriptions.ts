import { capacityFor, type TableImage } from './authorize-keys'

/** Whether calls of a subscription pass, must pay first, or are refused. */
export type Standing = 'inactive' | 'passing' | 'unpaid'

/** Half-open `[start, end)` in epoch ms. */
export interface EdgePeriod {
  /** `per_` and 32 hex digits. */
  id: string
  start: number
  end: number
}

/** What the ledger knows of a subscription's period: every call, and the units that count. */
export interface LedgerCount {
  calls: number
  units: number
}

/** What a subscription may cost in a period, turned into units when its row changes. Amounts in minor units. */
export interface SpendCap {
  /** The largest count of units whose cost does not pass the cap. */
  units: number
  amount: number
  /** What so many units cost. */
  spend: number
  currency: string
}

/** A row: ids of subscription and period (16 bytes each), four words, four doubles. */
const ROW_BYTES = 80
const ROW_WORDS = ROW_BYTES / 4
const ROW_DOUBLES = ROW_BYTES / 8
const ID_BYTES = 16
const LIMITS = 8
const IN_FLIGHT = 9
const KEYS = 10
const STATE = 11
const PERIOD_START = 6
const PERIOD_END = 7
const LEDGER_CALLS = 8
const LEDGER_UNITS = 9

const KNOWN = 1
const ROLLED_OVER = 2
const STANDING_SHIFT = 2
const STANDING_BITS = 3
/** It ends with its period. */
const LAST = 16
const STANDINGS: readonly Standing[] = ['inactive', 'passing', 'unpaid']

const LEAST_ROWS = 64

/**
 * Subscriptions as columns of one buffer: a million take 80 MB where objects took 600. Found by id
 * through open addressing with linear probing; named by their slot everywhere else.
 */
export class SubscriptionTable {
  #rows = new ArrayBuffer(LEAST_ROWS * ROW_BYTES)
  #bytes = Buffer.from(this.#rows)
  words = new Uint32Array(this.#rows)
  doubles = new Float64Array(this.#rows)
  /** Slot + 1, 0 where nothing is; at most half full. */
  #index = new Uint32Array(LEAST_ROWS * 2)
  readonly #free: number[] = []
  readonly #wanted = Buffer.alloc(ID_BYTES)
  readonly #wantedWords = new Uint32Array(this.#wanted.buffer, this.#wanted.byteOffset, 4)
  #used = 0
  /** Caps are rare, so they are no column. */
  readonly caps = new Map<number, SpendCap>()

  get size(): number {
    return this.#used - this.#free.length
  }

  /** Slots that were ever in use. */
  get slots(): number {
    return this.#used
  }

  /** The slot of an id, -1 when there is none. Throws a `RangeError` for what is no id. */
  find(id: string): number {
    this.#read(id)
    const mask = this.#index.length - 1
    for (let place = hashOf(this.#wantedWords, 0) & mask; ; place = (place + 1) & mask) {
      const slot = (this.#index[place] as number) - 1
      if (slot < 0 || this.#isWantedAt(slot * ROW_WORDS)) return slot
    }
  }

  /** The slot of an id, made when there is none. */
  reference(id: string): number {
    const known = this.find(id)
    if (known >= 0) return known
    const slot = this.#free.pop() ?? this.#used++
    if ((slot + 1) * ROW_WORDS > this.words.length) this.#grow()
    this.words.fill(0, slot * ROW_WORDS, (slot + 1) * ROW_WORDS)
    this.words.set(this.#wantedWords, slot * ROW_WORDS)
    this.#enter(slot)
    return slot
  }

  at(slot: number): SubscriptionRecord {
    return new SubscriptionRecord(this, slot)
  }

  /** Takes a slot out; it may be given to another. */
  remove(slot: number): void {
    this.#leave(slot)
    this.words.fill(0, slot * ROW_WORDS, (slot + 1) * ROW_WORDS)
    this.caps.delete(slot)
    this.#free.push(slot)
  }

  idOf(slot: number): string {
    return `sub_${this.#hex(slot * ROW_BYTES)}`
  }

  periodIdOf(slot: number): string {
    return `per_${this.#hex(slot * ROW_BYTES + ID_BYTES)}`
  }

  isPeriodOf(slot: number, id: string): boolean {
    this.#read(id)
    return this.#isWantedAt(slot * ROW_WORDS + 4)
  }

  writePeriod(slot: number, { id, start, end }: EdgePeriod): void {
    this.#read(id)
    this.words.set(this.#wantedWords, slot * ROW_WORDS + 4)
    this.doubles[slot * ROW_DOUBLES + PERIOD_START] = start
    this.doubles[slot * ROW_DOUBLES + PERIOD_END] = end
  }

  #hex(offset: number): string {
    return this.#bytes.toString('hex', offset, offset + ID_BYTES)
  }

  /** The last 32 characters of an id as bytes. */
  #read(id: string): void {
    if (this.#wanted.write(id.slice(4), 'hex') !== ID_BYTES) throw new RangeError('not an id')
  }

  #isWantedAt(word: number): boolean {
    const { words } = this
    return (
      words[word + 3] === this.#wantedWords[3] &&
      words[word + 2] === this.#wantedWords[2] &&
      words[word + 1] === this.#wantedWords[1] &&
      words[word] === this.#wantedWords[0]
    )
  }

  #enter(slot: number): void {
    const mask = this.#index.length - 1
    let place = hashOf(this.words, slot * ROW_WORDS) & mask
    while (this.#index[place] !== 0) place = (place + 1) & mask
    this.#index[place] = slot + 1
  }

  /** Takes a slot out and moves those behind it up, so that no search ends too early. */
  #leave(slot: number): void {
    const mask = this.#index.length - 1
    let hole = hashOf(this.words, slot * ROW_WORDS) & mask
    while (this.#index[hole] !== slot + 1) hole = (hole + 1) & mask
    for (let place = (hole + 1) & mask; this.#index[place] !== 0; place = (place + 1) & mask) {
      const other = (this.#index[place] as number) - 1
      const home = hashOf(this.words, other * ROW_WORDS) & mask
      // Only what lies at least as far from its home as the hole is may move there.
      if (((place - home) & mask) < ((place - hole) & mask)) continue
      this.#index[hole] = this.#index[place] as number
      hole = place
    }
    this.#index[hole] = 0
  }

  #grow(): void {
    this.#allocate(this.#rows.byteLength * 2, this.#bytes)
    const index = this.#index
    this.#index = new Uint32Array(index.length * 2)
    for (const entry of index) if (entry !== 0) this.#enter(entry - 1)
  }

  #allocate(size: number, bytes: Uint8Array): void {
    this.#rows = new ArrayBuffer(size)
    this.#bytes = Buffer.from(this.#rows)
    this.#bytes.set(bytes)
    this.words = new Uint32Array(this.#rows)
    this.doubles = new Float64Array(this.#rows)
  }

  /** A copy of all rows, to be kept on disk; caps are beside it. */
  image(): TableImage {
    return {
      rows: new Uint8Array(this.#rows.slice(0, this.#used * ROW_BYTES)),
      free: [...this.#free],
    }
  }

  /** Becomes what the image was taken of. */
  restore({ rows, free }: TableImage, caps: Iterable<[number, SpendCap]>): void {
    this.#used = rows.byteLength / ROW_BYTES
    const slots = capacityFor(this.#used, LEAST_ROWS)
    this.#allocate(slots * ROW_BYTES, rows)
    this.#index = new Uint32Array(slots * 2)
    this.#free.splice(0, this.#free.length, ...free)
    const unused = new Set(free)
    for (let slot = 0; slot < this.#used; slot++) if (!unused.has(slot)) this.#enter(slot)
    this.caps.clear()
    for (const [slot, cap] of caps) this.caps.set(slot, cap)
  }
}

/** The end of a UUIDv7 is random; its beginning is a time. */
function hashOf(words: Uint32Array, at: number): number {
  const mixed = Math.imul((words[at + 3] as number) ^ (words[at + 1] as number), 0x9e3779b1)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** One row of the table by its slot; short-lived, since the slot may be given away. */
export class SubscriptionRecord {
  constructor(
    private readonly table: SubscriptionTable,
    readonly slot: number,
  ) {}

  get id(): string {
    return this.table.idOf(this.slot)
  }

  get periodId(): string {
    return this.table.periodIdOf(this.slot)
  }

  /** False until the loader has brought it. */
  get known(): boolean {
    return (this.word(STATE) & KNOWN) !== 0
  }

  get standing(): Standing {
    return STANDINGS[(this.word(STATE) >>> STANDING_SHIFT) & STANDING_BITS] as Standing
  }

  /** Null without a cap. */
  get cap(): SpendCap | null {
    const { caps } = this.table
    return caps.size === 0 ? null : (caps.get(this.slot) ?? null)
  }

  /** Where `LimitsInterner` holds its limits. */
  get limits(): number {
    return this.word(LIMITS)
  }

  set limits(index: number) {
    this.setWord(LIMITS, index)
  }

  /** Keys that point here. */
  get keys(): number {
    return this.word(KEYS)
  }

  set keys(count: number) {
    this.setWord(KEYS, count)
  }

  /** Calls authorised here that the ledger has not shown yet. */
  get inFlight(): number {
    return this.word(IN_FLIGHT)
  }

  set inFlight(count: number) {
    this.setWord(IN_FLIGHT, count)
  }

  /** The period rolled over here before the loader brought the next one. */
  get rolledOver(): boolean {
    return (this.word(STATE) & ROLLED_OVER) !== 0
  }

  get periodEnd(): number {
    return this.double(PERIOD_END)
  }

  /** Units used in the period as far as this edge can know; see `EdgeState`. */
  get used(): number {
    return this.double(LEDGER_UNITS) + this.inFlight
  }

  /** Null takes the row out of service; it stays as long as a key names it. */
  stand(standing: Standing | null, endsWithPeriod = false): void {
    const kept = this.word(STATE) & ROLLED_OVER
    const known = standing === null ? 0 : KNOWN
    const place = STANDINGS.indexOf(standing ?? 'inactive')
    this.setWord(STATE, kept | known | (place << STANDING_SHIFT) | (endsWithPeriod ? LAST : 0))
  }

  /** Its last period is over, whether or not a job has written that down. */
  isOver(now: number): boolean {
    return (this.word(STATE) & LAST) !== 0 && now >= this.periodEnd
  }

  setCap(cap: SpendCap | null): void {
    if (cap === null) this.table.caps.delete(this.slot)
    else this.table.caps.set(this.slot, cap)
  }

  /** Starts the next period without the loader, which may be late: a customer's new month is not refused. */
  rollOver(now: number): void {
    const ended = this.periodEnd
    if (now < ended || ended === 0) return
    const length = Math.max(1, ended - this.double(PERIOD_START))
    const end = ended + (Math.floor((now - ended) / length) + 1) * length
    this.setDouble(PERIOD_START, end - length)
    this.setDouble(PERIOD_END, end)
    this.setWord(STATE, this.word(STATE) | ROLLED_OVER)
    this.count(0, 0, 0)
  }

  /** Adopts the loader's period and count; the same period keeps what this edge counted. */
  adopt(period: EdgePeriod, ledger: LedgerCount | undefined): void {
    const samePeriod = this.table.isPeriodOf(this.slot, period.id)
    if (samePeriod && this.rolledOver) return
    if (!samePeriod) {
      // What was counted since the roll-over belongs to the period that the loader brings now.
      this.count(0, 0, this.rolledOver ? this.inFlight : 0)
      this.setWord(STATE, this.word(STATE) & ~ROLLED_OVER)
    }
    this.table.writePeriod(this.slot, period)
    if (ledger !== undefined) this.record(ledger, samePeriod || this.inFlight > 0)
  }

  /** Takes a newer count of the present period: what the ledger gained is no longer in flight. */
  record(ledger: LedgerCount, settles = true): void {
    const known = this.double(LEDGER_CALLS)
    const gained = Math.max(0, ledger.calls - known)
    const inFlight = settles ? Math.max(0, this.inFlight - gained) : this.inFlight
    this.count(known + gained, ledger.units, inFlight)
  }

  private count(calls: number, units: number, inFlight: number): void {
    this.setDouble(LEDGER_CALLS, calls)
    this.setDouble(LEDGER_UNITS, units)
    this.inFlight = inFlight
  }

  private word(column: number): number {
    return this.table.words[this.slot * ROW_WORDS + column] as number
  }

  private setWord(column: number, value: number): void {
    this.table.words[this.slot * ROW_WORDS + column] = value
  }

  private double(column: number): number {
    return this.table.doubles[this.slot * ROW_DOUBLES + column] as number
  }

  private setDouble(column: number, value: number): void {
    this.table.doubles[this.slot * ROW_DOUBLES + column] = value
  }
}
