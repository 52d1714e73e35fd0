import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** One series of a source; `labels` are the names of its labels. */
interface Series {
  help: string
  labels?: readonly string[]
  /** A counter, which only grows; a gauge unless stated. */
  isCounter?: boolean
}

export interface Sample<Name extends string> {
  name: Name
  labels?: Record<string, string>
  value: number
}

/** Values that are read together when somebody asks for them. */
export interface Source<Name extends string> {
  name: string
  series: Record<Name, Series>
  read(): Promise<Sample<Name>[]> | Sample<Name>[]
}

/** A source that does not answer in this time is left out: Prometheus itself waits for ten seconds. */
const PATIENCE_MS = 5_000

/**
 * What one process tells of itself, in the text format of Prometheus. A source that cannot be read is
 * missing from the answer, never told as it was before, and `veil_metrics_source_up` says so.
 */
export class Metrics {
  private readonly registry = new Registry()
  private readonly refreshers: (() => Promise<void>)[] = []
  private readonly up = new Gauge({
    name: 'veil_metrics_source_up',
    help: 'Whether the values of a source could be read',
    labelNames: ['source'],
    registers: [this.registry],
  })

  readonly contentType = this.registry.contentType

  add<Name extends string>({ name: source, series, read }: Source<Name>): void {
    const instruments = new Map<string, Gauge | Counter>()
    for (const [name, { help, labels = [], isCounter = false }] of Object.entries<Series>(series)) {
      const options = { name, help, labelNames: [...labels], registers: [this.registry] }
      instruments.set(name, isCounter ? new Counter(options) : new Gauge(options))
    }
    this.refreshers.push(async () => {
      const samples = await inTime(async () => read()).catch(() => null)
      for (const instrument of instruments.values()) instrument.reset()
      this.up.set({ source }, samples === null ? 0 : 1)
      for (const { name, labels = {}, value } of samples ?? [])
        instruments.get(name)?.inc(labels, value)
    })
  }

  /** @param buckets upper bounds, in seconds */
  histogram<Label extends string>(options: {
    name: string
    help: string
    labels: readonly Label[]
    buckets: number[]
  }): Histogram<Label> {
    const { name, help, labels, buckets } = options
    return new Histogram({ name, help, labelNames: labels, buckets, registers: [this.registry] })
  }

  async text(): Promise<string> {
    await Promise.all(this.refreshers.map((refresh) => refresh()))
    return this.registry.metrics()
  }
}

async function inTime<T>(work: () => Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), PATIENCE_MS)
  })
  return Promise.race([work(), late]).finally(() => clearTimeout(timer))
}
