/**
 * What the control plane tells Prometheus.
 */
import type { Bus } from '#contracts/bus/bus.ts'
import type { Metrics } from '#contracts/process/metrics.ts'
import type { BudgetWatch, WatchedBudget } from './budgets/watch.ts'
import type { Ledger } from './commands/ledger.ts'
import type { Discovery } from './discovery/discovery.ts'
import type { Fleet } from './nodes/fleet.ts'
import type { Relay } from './relay/relay.ts'
import type { UsageIngest } from './usage/ingest.ts'

export type MetricSources = Readonly<{
  ledger: Ledger
  fleet: Fleet
  relay: Relay
  bus: Pick<Bus, 'connected'>
  calls: Readonly<{ dropped: number }>
  discovery: Pick<Discovery, 'counts' | 'fetches'>
  ingest: Pick<UsageIngest, 'counts'>
  watch: Pick<BudgetWatch, 'seen' | 'warnings'>
}>

export function addControlPlaneMetrics(
  metrics: Metrics,
  { ledger, fleet, relay, bus, calls, discovery, ingest, watch }: MetricSources,
): void {
  addBudgetMetrics(metrics, watch)
  metrics.counter('apiproxy_usage_records_total', 'Usage records by what became of them.', ['result'], () =>
    Object.entries(ingest.counts).map(([result, value]) => ({ labels: { result }, value })),
  )
  metrics.gauge(
    'apiproxy_log_commit',
    'Number of the last commit in the log.',
    [],
    () => ledger.catalog.commit,
  )
  metrics.gauge('apiproxy_log_epoch', 'Generation of the commit stream.', [], () => ledger.catalog.epoch)
  metrics.gauge('apiproxy_bus_connected', 'Is the bus reachable: 1 or 0.', [], () => (bus.connected ? 1 : 0))
  metrics.counter('apiproxy_relay_published_total', 'Commits written to the bus.', [], () => relay.published)
  metrics.gauge(
    'apiproxy_relay_diverged',
    'Does the stream hold another history than the log: 1 or 0.',
    [],
    () => (relay.state.kind === 'diverged' ? 1 : 0),
  )
  addFleetMetrics(metrics, fleet)
  addDiscoveryMetrics(metrics, discovery)
  metrics.counter(
    'apiproxy_call_records_dropped_total',
    'Records of admin calls that could not be kept.',
    [],
    () => calls.dropped,
  )
}

/** From 1 ms to 10 s, ten in each decade: the next one is larger by a quarter, or a third once rounded. In seconds. */
const PROPAGATION_BOUNDS_S = Array.from({ length: 41 }, (_, step) =>
  Number((10 ** (step / 10 - 3)).toPrecision(2)),
)

/** Of the nodes, and of how commits come to them. */
export function addFleetMetrics(metrics: Metrics, fleet: Fleet): void {
  metrics.gauge('apiproxy_fleet_nodes', 'Nodes by state.', ['state'], () => {
    const counts = Map.groupBy(fleet.list(), ({ state }) => state)
    return [...counts].map(([state, nodes]) => ({ labels: { state }, value: nodes.length }))
  })
  metrics.gauge('apiproxy_fleet_lag_commits', 'Commits a node has yet to serve.', ['node'], () =>
    fleet.list().map(({ report, lag }) => ({ labels: { node: report.node }, value: lag })),
  )
  const served = metrics.histogram(
    'apiproxy_propagation_seconds',
    'From a commit to its being served, over commits and nodes.',
    PROPAGATION_BOUNDS_S,
  )
  const refused = metrics.histogram(
    'apiproxy_key_refusal_seconds',
    'From suspending or revoking a client key to a node that refuses it, over commits and nodes.',
    PROPAGATION_BOUNDS_S,
  )
  fleet.propagation.onMeasured((ms, refuses) => {
    served(ms / 1_000)
    if (refuses) refused(ms / 1_000)
  })
}

function addBudgetMetrics(metrics: Metrics, watch: MetricSources['watch']): void {
  const gauge = (name: string, help: string, of: (one: WatchedBudget) => number): void =>
    metrics.gauge(name, help, ['budget'], () =>
      watch.seen.map((one) => ({ labels: { budget: one.budget.id }, value: of(one) })),
    )
  gauge('apiproxy_budget_limit_dollars', 'What may be spent in the period.', ({ report }) => report.amount)
  gauge('apiproxy_budget_spent_dollars', 'Of it, in the books.', ({ report }) => report.spent)
  gauge('apiproxy_budget_leased_dollars', 'Of it, out on lease to nodes.', ({ report }) => report.leased)
  gauge('apiproxy_budget_warning', 'Is the warning threshold reached: 1 or 0.', ({ report }) =>
    report.isWarning ? 1 : 0,
  )
  metrics.counter(
    'apiproxy_budget_warnings_total',
    'Budgets that reached their threshold or were spent, each once a period.',
    [],
    () => watch.warnings,
  )
}

function addDiscoveryMetrics(metrics: Metrics, discovery: MetricSources['discovery']): void {
  metrics.gauge(
    'apiproxy_model_lists',
    'Providers by what is known of their models: fresh, stale since they last failed to say, unknown.',
    ['state'],
    () => Object.entries(discovery.counts()).map(([state, value]) => ({ labels: { state }, value })),
  )
  metrics.counter(
    'apiproxy_model_list_fetches_total',
    'Questions to providers for their models.',
    ['outcome'],
    () => Object.entries(discovery.fetches).map(([outcome, value]) => ({ labels: { outcome }, value })),
  )
}
