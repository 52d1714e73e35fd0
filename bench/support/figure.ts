import { cpus, totalmem } from 'node:os'

/** What a figure must reach. `of` says whether its value or its ratio to the peer counts. */
export interface Bar {
  of: 'ratio' | 'value'
  atLeast?: number
  atMost?: number
}

/** Median and range of one contender's rounds. */
export interface Spread {
  median: number
  least: number
  most: number
}

export interface Figure {
  name: string
  value: number
  unit: string
  /** Least and most of the rounds. */
  spread: { least: number; most: number }
  peer: { name: string; value: number } | null
  /** Ours to the peer's: the median of the rounds' own ratios. */
  ratio: number | null
  bar: Bar | null
  holds: boolean
}

export interface BenchResult {
  bench: string
  machine: Machine
  figures: Figure[]
}

export interface Machine {
  cpu: string
  cores: number
  memoryMb: number
  platform: string
  bun: string
}

/** To try a bench in less time; those that do not know an option pass it over. */
export interface BenchOptions {
  seconds?: number
  backlog?: number
  stored?: number
  subscriptions?: number
}

export interface Bench {
  name: string
  title: string
  run(log: (line: string) => void, options: BenchOptions): Promise<Figure[]>
}

export function machine(): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    platform: `${process.platform}-${process.arch}`,
    bun: Bun.version,
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) }
}

/** A figure of one contender, alone or beside a peer measured in the same rounds. */
export function figure(options: {
  name: string
  unit: string
  values: readonly number[]
  peer?: { name: string; values: readonly number[] }
  bar?: Bar
}): Figure {
  const { name, unit, values, peer, bar } = options
  const { median: value, least, most } = spreadOf(values)
  const ratio =
    peer === undefined
      ? null
      : median(values.map((own, round) => own / (peer.values[round] ?? Number.NaN)))
  return {
    name,
    value,
    unit,
    spread: { least, most },
    peer: peer === undefined ? null : { name: peer.name, value: median(peer.values) },
    ratio,
    bar: bar ?? null,
    holds: bar === undefined || holds(bar, bar.of === 'ratio' ? ratio : value),
  }
}

function holds(bar: Bar, measured: number | null): boolean {
  if (measured === null || Number.isNaN(measured)) return false
  return measured >= (bar.atLeast ?? -Infinity) && measured <= (bar.atMost ?? Infinity)
}

const HEADINGS = ['figure', 'value', 'least…most', 'peer', 'ratio', 'bar', '']

export function table(figures: readonly Figure[]): string {
  const rows = [HEADINGS, ...figures.map(row)]
  const widths = HEADINGS.map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  )
  return rows
    .map((cells) => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n')
}

function row(figure: Figure): string[] {
  const { spread, peer, bar } = figure
  return [
    figure.name,
    `${short(figure.value)} ${figure.unit}`,
    `${short(spread.least)}…${short(spread.most)}`,
    peer === null ? '' : `${peer.name} ${short(peer.value)}`,
    figure.ratio === null ? '' : figure.ratio.toFixed(2),
    bar === null ? '' : barText(bar),
    bar === null ? '' : figure.holds ? 'holds' : 'FALLS SHORT',
  ]
}

function barText(bar: Bar): string {
  const bounds = [
    bar.atLeast === undefined ? '' : `≥ ${bar.atLeast}`,
    bar.atMost === undefined ? '' : `≤ ${bar.atMost}`,
  ]
  return `${bar.of} ${bounds.filter((bound) => bound !== '').join(' ')}`
}

function short(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toFixed(2)
}
