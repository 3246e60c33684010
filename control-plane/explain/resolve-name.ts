/**
 * Who would serve a model name, as a dry run: the same order as a node's, with everything that decides between
 * candidates, and why everybody else is out. What nodes measure themselves stays with the nodes.
 *
 * Pure.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { priceOf } from '#contracts/catalog/facts/known-models.ts'
import type { ListedModel } from '#contracts/catalog/facts/listed-model.ts'
import type { RoutingStrategy } from '#contracts/catalog/model.ts'
import type { Provider, ProviderState } from '#contracts/catalog/provider.ts'
import { isModelName, modelName, providerId, type ModelName, type ProviderId } from '#contracts/ids.ts'

/** What is known beside the catalog. */
export type ResolveView = Readonly<{
  /** What a provider was seen to serve, and why it last did not say; null: it is not asked. */
  seen: (id: ProviderId) => Readonly<{ models: readonly ListedModel[] | null; problem: string | null }> | null
  /** The prober's factor as it counts now; null: it said nothing. */
  factor: (provider: ProviderId, model: string) => Readonly<{ factor: number; reason: string }> | null
}>

export type NamedCandidate = Readonly<{
  provider: ProviderId
  /** Model name the provider knows. */
  model: string
  tier: number
  /** The operator's. */
  weight: number
  state: ProviderState
  /** Does it take new requests? */
  takes: boolean
  /** Why not; null: it does. */
  out: string | null
  /** The prober's, and why; 1 when it said nothing or the strategy does not heed it. */
  factor: number
  reason: string | null
  /** US dollars per million tokens. */
  cost: Readonly<{ input: number; output: number }> | null
  region: string | null
  /**
   * Part of the requests that reach its tier, all being well at the nodes; null: the strategy weighs by what
   * they measure or pay, too.
   */
  share: number | null
}>

/** A provider that is no candidate for the name, and why. */
export type Other = Readonly<{ provider: ProviderId; why: string }>

export type Resolution = Readonly<{
  name: string
  /** How the name was understood. `unknown`: nobody is known to serve it. */
  kind: 'logical' | 'alias' | 'listed' | 'pinned' | 'unknown'
  /** The logical model behind the name, when there is one. */
  model: ModelName | null
  strategy: RoutingStrategy
  /** Preferred within a tier; null: none. */
  region: string | null
  /** In the order of their tiers. */
  candidates: readonly NamedCandidate[]
  /** Of a name that no logical model has: everybody else. */
  others: readonly Other[]
}>

export function resolveName(catalog: Catalog, name: string, view: ResolveView): Resolution {
  const found = logical(catalog, name, view) ?? listed(catalog, name, view) ?? pinned(catalog, name, view)
  const { candidates = [], ...policy } = found ?? {}
  const whole = { ...NOTHING, ...policy, name }
  const named = new Set(candidates.map(({ provider }) => provider))
  const isGroup = whole.kind === 'listed' || whole.kind === 'unknown'
  const others = [...catalog.providers.values()].filter(({ id }) => isGroup && !named.has(id))
  return {
    ...whole,
    candidates: withShares(candidates, whole),
    others: others.map((provider) => ({ provider: provider.id, why: whyNot(provider, name, view) })),
  }
}

const NOTHING = { kind: 'unknown', model: null, strategy: 'balanced', region: null } as const

type Found = Omit<Resolution, 'name' | 'others' | 'candidates'> &
  Readonly<{ candidates: readonly Omit<NamedCandidate, 'share'>[] }>

function logical(catalog: Catalog, name: string, view: ResolveView): Found | null {
  const asked = modelName(name)
  const model =
    catalog.models.get(asked) ?? [...catalog.models.values()].find(({ aliases }) => aliases.includes(asked))
  if (model === undefined) return null
  const { strategy = 'balanced', region = null } = model
  const candidates = model.targets.flatMap((target) => {
    const provider = catalog.providers.get(target.provider)
    if (provider === undefined) return []
    return [candidate(provider, target, view, strategy)]
  })
  const kind = model.name === asked ? 'logical' : 'alias'
  return { kind, model: model.name, strategy, region, candidates }
}

/** Providers that list the model; one that takes nothing new does not make a group. */
function listed(catalog: Catalog, name: string, view: ResolveView): Found | null {
  const candidates = [...catalog.providers.values()]
    .filter((provider) => provider.state === 'enabled' && lists(provider, name, view))
    .map((provider) => {
      const { weight } = provider.definition.routing
      return candidate(provider, { model: name, tier: 0, weight }, view)
    })
  return candidates.length === 0 ? null : { ...NOTHING, kind: 'listed', candidates }
}

/** What the operator names replaces what the provider says. */
function lists({ id, definition }: Provider, name: string, view: ResolveView): boolean {
  const { static: named } = definition.models
  if (named.length > 0) return named.includes(name)
  return view.seen(id)?.models?.some((model) => model.id === name) ?? false
}

function whyNot(provider: Provider, name: string, view: ResolveView): string {
  if (provider.state !== 'enabled') return `is ${provider.state}`
  const standing = view.seen(provider.id)
  if (standing !== null && standing.models === null && provider.definition.models.static.length === 0)
    return `has not said what it serves${standing.problem === null ? '' : `: ${standing.problem}`}`
  return `does not list ${name}`
}

/** `provider/model`: that provider, whatever its list says. */
function pinned(catalog: Catalog, name: string, view: ResolveView): Found | null {
  const slash = name.indexOf('/')
  if (slash <= 0 || slash === name.length - 1) return null
  const provider = catalog.providers.get(providerId(name.slice(0, slash)))
  const model = name.slice(slash + 1)
  if (provider === undefined || provider.state === 'disabled' || !isModelName(model)) return null
  return {
    ...NOTHING,
    kind: 'pinned',
    candidates: [candidate(provider, { model, tier: 0, weight: 1 }, view)],
  }
}

function candidate(
  provider: Provider,
  { model, tier, weight }: Readonly<{ model: string; tier: number; weight: number }>,
  view: ResolveView,
  strategy: RoutingStrategy = 'balanced',
): Omit<NamedCandidate, 'share'> {
  const { id, state, definition } = provider
  const said = strategy === 'weights' ? null : view.factor(id, model)
  const out = state !== 'enabled' ? `the provider is ${state}` : weight > 0 ? null : 'its weight is 0'
  return {
    provider: id,
    model,
    tier,
    weight,
    state,
    takes: out === null,
    out,
    factor: said?.factor ?? 1,
    reason: said?.reason ?? null,
    cost: costOf(provider, model, view),
    region: definition.routing.region ?? null,
  }
}

/** The operator's price, or the one the provider lists, or the public one. */
function costOf({ id, definition }: Provider, model: string, view: ResolveView): NamedCandidate['cost'] {
  const { costInput, costOutput } = definition.routing
  if (costInput !== undefined || costOutput !== undefined)
    return { input: costInput ?? 0, output: costOutput ?? 0 }
  const price =
    view.seen(id)?.models?.find((one) => one.id === model)?.price ?? priceOf(definition.kind, model)
  return price === null ? null : { input: price.input, output: price.output }
}

/** Within a tier the region's own come first: the others share what reaches them. */
function withShares(
  candidates: readonly Omit<NamedCandidate, 'share'>[],
  { strategy, region }: Pick<Resolution, 'strategy' | 'region'>,
): readonly NamedCandidate[] {
  const isWeighed = strategy === 'balanced' || strategy === 'weights'
  const placeOf = ({ tier, region: at }: Omit<NamedCandidate, 'share'>): number =>
    region !== null && at !== region ? tier + 0.5 : tier
  const totals = new Map<number, number>()
  for (const one of candidates) {
    const place = placeOf(one)
    if (one.takes) totals.set(place, (totals.get(place) ?? 0) + one.weight * one.factor)
  }
  const first = (one: Omit<NamedCandidate, 'share'>): boolean =>
    placeOf(one) === one.tier || (totals.get(one.tier) ?? 0) === 0
  return candidates
    .map((one) => {
      const total = totals.get(placeOf(one)) ?? 0
      const share = !one.takes || !first(one) || total === 0 ? 0 : (one.weight * one.factor) / total
      return { ...one, share: isWeighed ? share : null }
    })
    .toSorted((one, other) => one.tier - other.tier)
}
