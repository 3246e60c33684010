/**
 * The prober's metrics; every name stands in README.md. Read when somebody asks, counted where it happens.
 */
import { Metrics, type Sample } from '#contracts/process/metrics.ts'
import type { WeightEntry } from '#contracts/weights/table.ts'
import type { Consumer } from './consume.ts'
import type { Judgement } from './judgement.ts'
import type { ProbeRound } from './probe/round.ts'
import type { Publisher } from './publish.ts'

export type MeteredParts = Readonly<{
  consumer: Consumer
  judgement: Judgement
  probes: ProbeRound
  publisher: Publisher
  isLeading: () => boolean
  entries: () => readonly WeightEntry[]
}>

export function proberMetrics(parts: MeteredParts): Metrics {
  const { consumer, judgement, probes, publisher } = parts
  const metrics = new Metrics()
  const counter = (name: string, help: string, read: () => number): void =>
    metrics.counter(name, help, [], read)
  const gauge = (name: string, help: string, read: () => number): void => metrics.gauge(name, help, [], read)

  counter('apiproxy_prober_reports_total', 'Telemetry reports taken in.', () => consumer.reports)
  counter(
    'apiproxy_prober_reports_lost_total',
    'Telemetry reports that never came, by the gaps in their numbers.',
    () => consumer.lost,
  )
  counter(
    'apiproxy_prober_garbage_total',
    'Messages on the telemetry subject that are no reports.',
    () => consumer.garbage,
  )
  counter(
    'apiproxy_prober_ignored_total',
    'Reports, series and samples beyond what is kept.',
    () => consumer.ignored + judgement.ignored,
  )
  gauge('apiproxy_prober_nodes', 'Nodes heard of in the last minute.', () => consumer.nodes)
  gauge('apiproxy_prober_deployments', 'Deployments judged.', () => judgement.size)
  gauge('apiproxy_prober_leading', '1 while this prober holds the lease and publishes.', () =>
    parts.isLeading() ? 1 : 0,
  )
  counter('apiproxy_prober_tables_total', 'Weight tables published.', () => publisher.published)
  metrics.counter('apiproxy_prober_probes_total', 'Probes by outcome.', ['outcome'], () =>
    [...probes.counts].map(([outcome, value]): Sample => ({ labels: { outcome }, value })),
  )
  metrics.gauge(
    'apiproxy_prober_factor',
    'What a deployment keeps of its operator weight.',
    ['provider', 'model'],
    () =>
      parts
        .entries()
        .map(({ provider, model, factor }): Sample => ({ labels: { provider, model }, value: factor })),
  )
  return metrics
}
