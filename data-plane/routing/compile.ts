/**
 * Catalog → routing snapshot. Runs off to the side after every batch of commits.
 *
 * Pure: what it needs from outside (opened secrets, discovered lists, slots) comes as arguments. A provider
 * that cannot be compiled keeps its last good form and is named in `nacks`; the rest applies. Unchanged
 * entities are reused from the snapshot before, so a change costs what it touched.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { priceOf } from '#contracts/catalog/facts/known-models.ts'
import type { ListedModels } from '#contracts/catalog/facts/listed-model.ts'
import type { RouteTarget } from '#contracts/catalog/model.ts'
import type {
  Dialect,
  Provider,
  ProviderDefinition,
  ProviderKind,
  ProviderRouting,
  ProviderState,
} from '#contracts/catalog/provider.ts'
import type { Nack } from '#contracts/fleet/report.ts'
import {
  deploymentId,
  providerStream,
  type CredentialId,
  type ProviderId,
  type SecretId,
} from '#contracts/ids.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { overridesFor, type Capabilities } from '#contracts/catalog/capability.ts'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { endpointsOf, takesDialect, type EndpointPaths } from '#contracts/catalog/endpoints.ts'
import { modelList } from './model-list.ts'
import { compileKeys } from './principals.ts'
import type { Slots } from './slots.ts'
import type { Candidate, CompiledProvider, Deployment, Lane, Route, RoutingSnapshot } from './snapshot.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'

export type CompileInput = Readonly<{
  catalog: Catalog
  /** State digest of the catalog. */
  digest: string
  /** Secrets opened so far. A credential whose secret is missing makes its provider unacceptable. */
  secret: (id: SecretId) => string | undefined
  /** Models each provider was seen to serve, beside those it declares. */
  discovered: ReadonlyMap<ProviderId, ListedModels>
  slots: NodeSlots
  /** The snapshot being replaced. */
  previous: RoutingSnapshot | null
}>

/** Index spaces of this process. */
export type NodeSlots = Readonly<{ deployments: Slots; providers: Slots; lanes: Slots }>

/** Pinned models that nobody listed share one slot per provider: clients must not be able to grow tables. */
const UNLISTED = '*'

export function compileSnapshot(input: CompileInput): RoutingSnapshot {
  const { catalog, previous } = input
  const nacks: Nack[] = [...catalog.frozen].map(([stream, { commit, type, reason }]) => ({
    commit,
    stream,
    reason: `${type}: ${reason}`.slice(0, 500),
  }))
  const providers = compileProviders(input, nacks)
  // Most changes are of keys: names lead where they led before.
  const isSame = previous?.source.models === catalog.models && areSame(previous.providers, providers)
  const routes = isSame ? previous.routes : compileRoutes(catalog, providers)
  return {
    source: catalog,
    commit: catalog.commit,
    epoch: catalog.epoch,
    digest: input.digest,
    routes,
    providers,
    keys: haveSameKeys(previous, catalog)
      ? previous.keys
      : compileKeys(catalog.keys.values(), catalog.budgets.values()),
    models: isSame ? previous.models : modelList(routes, providers, previous?.models ?? null),
    nacks,
  }
}

const haveSameKeys = (previous: RoutingSnapshot | null, now: Catalog): previous is RoutingSnapshot =>
  previous !== null && previous.source.keys === now.keys && previous.source.budgets === now.budgets

const areSame = (
  before: ReadonlyMap<ProviderId, CompiledProvider>,
  now: ReadonlyMap<ProviderId, CompiledProvider>,
): boolean => before.size === now.size && [...now].every(([id, provider]) => before.get(id) === provider)

function compileProviders(input: CompileInput, nacks: Nack[]): ReadonlyMap<ProviderId, CompiledProvider> {
  const { catalog, previous } = input
  const haveSameTargets = previous?.source.models === catalog.models
  const targets = targetsByProvider(catalog)
  const compiled = new Map<ProviderId, CompiledProvider>()
  for (const [id, provider] of catalog.providers) {
    const before = previous?.providers.get(id)
    const { static: named } = provider.definition.models
    // What the operator names replaces what the provider says.
    const seen = named.length > 0 ? null : (input.discovered.get(id)?.models ?? null)
    const isSame = before?.source === provider && before.seen === seen
    if (isSame && haveSameTargets) {
      compiled.set(id, before)
      continue
    }
    const listed = isSame ? before.listed : [...new Set(seen === null ? named : seen.map((one) => one.id))]
    const wanted = new Set([...(targets.get(id) ?? []), ...listed])
    if (isSame && sameNames(before.deployments, wanted)) {
      compiled.set(id, before)
      continue
    }
    const result = compileProvider(provider, wanted, { listed, seen }, input)
    if (result.ok) compiled.set(id, result.value)
    else {
      nacks.push({ commit: provider.changedAt, stream: providerStream(id), reason: result.error })
      if (before !== undefined) compiled.set(id, inState(before, provider.state))
    }
  }
  return compiled
}

function targetsByProvider(catalog: Catalog): ReadonlyMap<ProviderId, ReadonlySet<string>> {
  const targets = new Map<ProviderId, Set<string>>()
  for (const model of catalog.models.values()) {
    for (const target of model.targets) {
      const models = targets.get(target.provider) ?? new Set()
      targets.set(target.provider, models.add(target.model))
    }
  }
  return targets
}

function sameNames(deployments: ReadonlyMap<string, Deployment>, wanted: ReadonlySet<string>): boolean {
  return deployments.size === wanted.size && [...wanted].every((model) => deployments.has(model))
}

/** What cannot be taken over must not keep a provider in use that the operator has taken out of it. */
function inState(before: CompiledProvider, state: ProviderState): CompiledProvider {
  if (before.source.state === state) return before
  return { ...before, source: { ...before.source, state }, accepts: state === 'enabled' }
}

function compileProvider(
  provider: Provider,
  wanted: ReadonlySet<string>,
  lists: Pick<CompiledProvider, 'listed' | 'seen'>,
  { secret, slots }: CompileInput,
): Result<CompiledProvider, string> {
  const { definition } = provider
  const endpoints = endpointsOf(definition.kind, definition.baseUrl)
  const secrets: (readonly [CredentialId, number, string])[] = []
  for (const credential of provider.credentials) {
    const text = secret(credential.secretId)
    if (text === undefined) return err(`the secret of credential ${credential.id} is not here yet`)
    secrets.push([credential.id, credential.weight, text])
  }
  const { retryableStatusCodes: retryable, maxQps, maxConcurrency, region } = definition.routing
  const ownCost = costOf(definition.routing)
  const listPrices = new Map(
    lists.seen?.flatMap(({ id, price }) => (price === undefined ? [] : [[id, price]])),
  )
  const deployment = (model: string, slotName: string): Deployment => {
    const id = deploymentId(provider.id, slotName)
    const paths = endpoints.paths(model)
    const lane = (credential: CredentialId | null, weight: number, text: string | null): Lane => ({
      slot: slots.lanes.of(laneName(provider.id, slotName, credential)),
      credential,
      weight,
      headers: text === null ? [] : endpoints.credential(text),
    })
    return {
      id,
      slot: slots.deployments.of(id),
      provider: provider.id,
      kind: definition.kind,
      dialects: nativeDialects(definition.dialects, endpoints.dialects, paths),
      providerSlot: slots.providers.of(provider.id),
      model,
      modelJson: Buffer.from(JSON.stringify(model)),
      modelHeader: encodeURI(model.toWellFormed()),
      origin: endpoints.origin,
      allowPrivate: definition.allowPrivate,
      endpoints: paths,
      lanes: secrets.length === 0 ? [lane(null, 1, null)] : secrets.map((one) => lane(...one)),
      timeouts: definition.timeouts,
      retryable: retryable === undefined ? null : new Set(retryable),
      maxQps: maxQps ?? Infinity,
      maxConcurrency: maxConcurrency ?? Infinity,
      cost: ownCost ?? listPrices.get(model) ?? publicPrice(definition.kind, model),
      region: region ?? null,
      capabilities: once(() => capabilitiesFor(definition, endpoints.host, model)),
    }
  }
  return ok({
    source: provider,
    deployments: new Map([...wanted].map((model) => [model, deployment(model, model)])),
    pin: (model) => deployment(model, UNLISTED),
    ...lists,
    accepts: provider.state === 'enabled',
  })
}

/** What is known of the model at this host, and what the operator knows better. */
function capabilitiesFor(
  { kind, capabilities }: ProviderDefinition,
  host: string,
  model: string,
): Capabilities {
  return capabilitiesOf(kind, host, model, overridesFor(capabilities ?? [], model))
}

/** What the operator says, as far as the kind has a place for it. */
function nativeDialects(
  said: readonly Dialect[] = [],
  known: readonly Dialect[],
  paths: EndpointPaths,
): readonly Dialect[] {
  const possible = said.filter((dialect) => takesDialect(paths, dialect))
  return possible.length > 0 ? possible : known
}

function publicPrice(kind: ProviderKind, model: string): Deployment['cost'] {
  const price = priceOf(kind, model)
  return price === null ? null : { input: price.input, output: price.output }
}

/** A provider with one price of two charges nothing for the other. */
function costOf({ costInput, costOutput }: ProviderRouting): Deployment['cost'] {
  if (costInput === undefined && costOutput === undefined) return null
  return { input: costInput ?? 0, output: costOutput ?? 0 }
}

/** Computed when first asked for: most deployments never convert anything. */
function once<Value>(compute: () => Value): () => Value {
  let value: Value | undefined
  return () => (value ??= compute())
}

/** Joins what a telemetry series is counted by; newlines occur in none of the parts. */
export const laneName = (provider: ProviderId, model: string, credential: CredentialId | null): string =>
  `${provider}\n${model}\n${credential ?? ''}`

function compileRoutes(
  catalog: Catalog,
  providers: ReadonlyMap<ProviderId, CompiledProvider>,
): ReadonlyMap<string, Route> {
  const routes = new Map<string, Route>()
  // Discovered groups first: a logical model of the same name replaces the group.
  for (const provider of providers.values()) {
    if (!provider.accepts) continue
    for (const model of provider.listed) {
      const deployment = provider.deployments.get(model)
      if (deployment === undefined) continue
      const candidate = { deployment, tier: 0, weight: provider.source.definition.routing.weight }
      const others = routes.get(model)?.candidates ?? []
      const candidates = [...others, candidate]
      const plain = { strategy: STRATEGIES.balanced, region: null, limits: null }
      routes.set(model, { model, logical: false, ...plain, candidates })
    }
  }
  for (const model of catalog.models.values()) {
    const candidates = model.targets.flatMap((target): Candidate[] => {
      const provider = providers.get(target.provider)
      const deployment = provider?.deployments.get(target.model)
      // Disabled: not there. Draining: there, but takes nothing new, as a weight of 0 says.
      if (provider === undefined || deployment === undefined || provider.source.state === 'disabled')
        return []
      const weight = provider.accepts ? target.weight : 0
      return [{ deployment: withTimeouts(deployment, target), tier: target.tier, weight }]
    })
    const strategy = STRATEGIES[model.strategy ?? 'balanced']
    const limits = model.limits === undefined || Object.keys(model.limits).length === 0 ? null : model.limits
    const region = model.region ?? null
    const route = { model: model.name, logical: true, strategy, region, limits, candidates }
    for (const name of [model.name, ...model.aliases]) routes.set(name, route)
  }
  return routes
}

/** The same deployment, with what the target says of its deadlines. */
function withTimeouts(deployment: Deployment, { timeouts: own }: RouteTarget): Deployment {
  if (own === undefined) return deployment
  const { connectMs, answerMs, firstTokenMs, idleMs } = deployment.timeouts
  const timeouts = {
    connectMs,
    answerMs: own.answerMs ?? answerMs,
    firstTokenMs: own.firstTokenMs ?? firstTokenMs,
    idleMs: own.idleMs ?? idleMs,
  }
  return { ...deployment, timeouts }
}
