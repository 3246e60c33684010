/**
 * Metrics in Prometheus text. Names begin with `apiproxy_`; every name stands in the README of its plane.
 *
 * The only file that knows the client library. Hot paths count in their own arrays and are read when
 * somebody asks (`gauge` and `counter` take a function), so a scrape costs and a request does not.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from '@prometheus-io/client'

export type Labels = Readonly<Record<string, string>>
export type Sample = Readonly<{ labels: Labels; value: number }>

export class Metrics {
  readonly #registry = new Registry()
  readonly #ofProcess = (ofProcess ??= observeProcess())

  /** A value that goes up and down, read at each scrape. */
  gauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => readonly Sample[] | number,
  ): void {
    const metric = new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [],
      collect() {
        this.reset()
        const samples = read()
        if (typeof samples === 'number') this.set(samples)
        else for (const { labels, value } of samples) this.set(labels, value)
      },
    })
    this.#registry.registerMetric(metric)
  }

  /** A total that only grows, read at each scrape from wherever it is counted. */
  counter(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => readonly Sample[] | number,
  ): void {
    const metric = new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [],
      collect() {
        this.reset()
        const samples = read()
        if (typeof samples === 'number') this.inc(samples)
        else for (const { labels, value } of samples) this.inc(labels, value)
      },
    })
    this.#registry.registerMetric(metric)
  }

  /**
   * How values are spread, counted as they come: for what happens some hundred times a second at most.
   *
   * @param bounds upper bounds of the buckets, ascending, in the unit of the values.
   * @returns takes a value.
   */
  histogram(name: string, help: string, bounds: readonly number[]): (value: number) => void {
    const metric = new Histogram({ name, help, buckets: [...bounds], registers: [] })
    this.#registry.registerMetric(metric)
    return (value) => metric.observe(value)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** The process's own first, then these. */
  async text(): Promise<string> {
    return `${await this.#ofProcess.metrics()}\n${await this.#registry.metrics()}`
  }
}

/**
 * Memory, CPU, event loop and collector, once for a process however many planes it holds: the observers behind
 * them never end.
 */
let ofProcess: Registry | null = null

function observeProcess(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'apiproxy_' })
  return registry
}
