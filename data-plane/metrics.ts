/**
 * What a node tells Prometheus: read from the counters when somebody asks.
 */
import type { Bus } from '#contracts/bus/bus.ts'
import type { Metrics, Sample } from '#contracts/process/metrics.ts'
import { OUTCOMES } from '#contracts/telemetry/outcome.ts'
import { percentile, total } from '#contracts/telemetry/histogram.ts'
import type { Limiter } from './admission/limiter.ts'
import type { Budgets } from './budgets/budgets.ts'
import type { Recorder } from './sessions/recorder.ts'
import type { CatalogFollower } from './sync/follow-catalog.ts'
import { isSyncProblem, SYNC_PROBLEMS, type Problems } from './sync/problems.ts'
import type { CountedSeries, Counters } from './telemetry/counters.ts'
import type { Emitter } from './telemetry/emit.ts'
import type { Spool } from './usage/spool.ts'

export type MetricSources = Readonly<{
  counters: Counters
  /** Answered requests by status; 499: the client left first. */
  statuses: ReadonlyMap<number, number>
  follower: CatalogFollower
  emitter: Emitter
  problems: Problems
  bus: Pick<Bus, 'connected'>
  spool: Pick<Spool, 'waiting' | 'published' | 'dropped' | 'recovered'>
  limiter: Limiter
  budgets: Pick<Budgets, 'refused' | 'waited' | 'overrun' | 'held'>
  /** Null: off. */
  context: Readonly<{ failures: number }> | null
  /** Null: there is no place for them. */
  contents: Readonly<{ failures: number }> | null
  recorder: Pick<Recorder, 'dropped'>
  /** Session commands that failed or were not sent. */
  sessionFailures: () => number
}>

export function addNodeMetrics(metrics: Metrics, sources: MetricSources): void {
  const { counters, statuses, follower, emitter, problems, bus, spool, limiter, sessionFailures } = sources
  metrics.counter('apiproxy_requests_total', 'Client requests by the status told.', ['status'], () =>
    [...statuses].map(([status, value]) => ({ labels: { status: String(status) }, value })),
  )
  metrics.counter('apiproxy_attempts_total', 'Upstream attempts by outcome.', [...SERIES, 'outcome'], () =>
    [...counters.series()].flatMap(outcomeSamples),
  )
  metrics.gauge(
    'apiproxy_first_byte_ms',
    'Time to the first content (sse) or status line (json), since the start.',
    [...SERIES, 'quantile'],
    () => [...counters.series()].flatMap((series) => quantileSamples(series, series.firstMs)),
  )
  metrics.gauge(
    'apiproxy_attempt_ms',
    'Whole time of an attempt, since the start.',
    [...SERIES, 'quantile'],
    () => [...counters.series()].flatMap((series) => quantileSamples(series, series.totalMs)),
  )
  metrics.gauge('apiproxy_commit', 'Last commit by watermark.', ['watermark'], () => {
    const { received, applied, served, persisted } = follower.readout()
    return Object.entries({ received, applied, served, persisted }).map(([watermark, value]) => ({
      labels: { watermark },
      value,
    }))
  })
  metrics.gauge(
    'apiproxy_config_age_ms',
    'Since the configuration was last proved current; -1: never yet.',
    [],
    () => follower.readout().configAgeMs ?? -1,
  )
  metrics.gauge('apiproxy_bus_connected', 'Is the bus reachable: 1 or 0.', [], () => (bus.connected ? 1 : 0))
  metrics.counter(
    'apiproxy_sync_problems_total',
    'What went wrong while following the log.',
    ['problem'],
    () =>
      Object.keys(SYNC_PROBLEMS)
        .filter(isSyncProblem)
        .map((problem) => ({ labels: { problem }, value: problems.of(problem) })),
  )
  metrics.counter(
    'apiproxy_telemetry_dropped_total',
    'Reports and edges with nowhere to go.',
    [],
    () => emitter.dropped,
  )
  addLimitMetrics(metrics, limiter)
  addBudgetMetrics(metrics, sources.budgets)
  addContextMetrics(metrics, sources)
  metrics.counter(
    'apiproxy_session_failures_total',
    'Session lookups and bindings that failed or were not tried.',
    [],
    sessionFailures,
  )
  addUsageMetrics(metrics, spool)
}

function addUsageMetrics(metrics: Metrics, spool: MetricSources['spool']): void {
  metrics.gauge('apiproxy_usage_waiting', 'Usage records the bus has not taken yet.', [], () => spool.waiting)
  metrics.counter(
    'apiproxy_usage_published_total',
    'Usage records the bus has taken.',
    [],
    () => spool.published,
  )
  metrics.counter(
    'apiproxy_usage_dropped_total',
    'Usage records lost for want of room.',
    [],
    () => spool.dropped,
  )
  metrics.counter(
    'apiproxy_usage_recovered_total',
    'Requests that were under way when this node was killed before its last start.',
    [],
    () => spool.recovered,
  )
}

function addContextMetrics(metrics: Metrics, { context, contents, recorder }: MetricSources): void {
  metrics.counter(
    'apiproxy_context_lost_total',
    'Questions and turns of sessions that failed or were not tried.',
    [],
    () => (context?.failures ?? 0) + recorder.dropped.turns,
  )
  metrics.counter(
    'apiproxy_content_lost_total',
    'Contents of requests that were to be logged and were not.',
    [],
    () => (contents?.failures ?? 0) + recorder.dropped.contents,
  )
}

const NANO = 1e9

function addBudgetMetrics(metrics: Metrics, budgets: MetricSources['budgets']): void {
  metrics.counter('apiproxy_budget_refused_total', 'Requests that no budget paid for.', ['reason'], () =>
    Object.entries(budgets.refused).map(([reason, value]) => ({ labels: { reason }, value })),
  )
  metrics.counter(
    'apiproxy_budget_waits_total',
    'Requests that waited for money of their budget.',
    [],
    () => budgets.waited,
  )
  metrics.counter(
    'apiproxy_budget_overrun_dollars_total',
    'What requests cost beyond what was reserved for them.',
    [],
    () => budgets.overrun / NANO,
  )
  metrics.gauge(
    'apiproxy_budget_held_dollars',
    'What this node may spend of budgets without asking.',
    [],
    () => budgets.held / NANO,
  )
}

function addLimitMetrics(metrics: Metrics, limiter: Limiter): void {
  metrics.counter('apiproxy_limited_total', 'Requests refused by a limit of ours.', ['limit'], () =>
    Object.entries(limiter.refused).map(([limit, value]) => ({ labels: { limit }, value })),
  )
  metrics.counter(
    'apiproxy_limit_shares_total',
    'Limited requests judged by this node’s own share, because Redis did not answer.',
    [],
    () => limiter.shares,
  )
}

const SERIES = ['provider', 'model', 'credential', 'mode'] as const

const labelsOf = ({ provider, model, credential, mode }: CountedSeries): Record<string, string> => ({
  provider,
  model,
  credential,
  mode,
})

function outcomeSamples(series: CountedSeries): Sample[] {
  return OUTCOMES.flatMap((outcome, index) => {
    const value = series.outcomes[index] ?? 0
    return value === 0 ? [] : [{ labels: { ...labelsOf(series), outcome }, value }]
  })
}

function quantileSamples(series: CountedSeries, counts: CountedSeries['firstMs']): Sample[] {
  if (total(counts) === 0) return []
  return [0.5, 0.95, 0.99].map((share) => ({
    labels: { ...labelsOf(series), quantile: String(share) },
    value: percentile(counts, share) ?? 0,
  }))
}
