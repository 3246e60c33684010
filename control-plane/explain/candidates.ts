/**
 * Who could have served a request by the log: the same candidates as a node's compiled route has, as far as a
 * choice depends on them.
 *
 * Pure.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { termsOf } from '#contracts/catalog/client-key.ts'
import type { Provider } from '#contracts/catalog/provider.ts'
import {
  deploymentId,
  keyId,
  modelStream,
  providerId,
  providerStream,
  type DeploymentId,
  type ProviderId,
  type StreamId,
} from '#contracts/ids.ts'
import type { Candidate } from '#contracts/routing/standing.ts'
import { STRATEGIES, type CompiledStrategy } from '#contracts/routing/strategies.ts'
import type { UsageRecord } from '#contracts/usage/record.ts'
import { resolveName, type NamedCandidate, type Resolution } from './resolve-name.ts'

/** What of a record says who was asked for, by whom. */
export type AskedFor = Readonly<
  Pick<UsageRecord, 'model' | 'key' | 'binding'> & {
    candidates: readonly Readonly<Pick<UsageRecord['candidates'][number], 'deployment' | 'cost'>>[]
  }
>

export type LoggedRoute = Readonly<{
  kind: Resolution['kind']
  /** Stream of the logical model; null: there is none, the providers' lists made the route. */
  stream: StreamId | null
  taste: CompiledStrategy
  region: string | null
  candidates: readonly LoggedCandidate[]
}>

export type LoggedCandidate = Candidate &
  Readonly<{
    provider: ProviderId
    /** Is its price the operator's? Else it was observed, and is the record's. */
    hasOwnCost: boolean
  }>

/**
 * What providers were seen to serve and to charge is not in the log: that is taken from the record.
 *
 * @param catalog of the commit that the request was served by.
 */
export function routeOf(catalog: Catalog, asked: AskedFor): LoggedRoute {
  const resolution = resolveName(catalog, asked.model, {
    seen: (id) => ({ models: listedBy(asked, id), problem: null }),
    factor: () => null,
  })
  const costs = new Map(asked.candidates.map(({ deployment, cost }) => [deployment, cost ?? null]))
  const named = new Set(asked.candidates.map(({ deployment }) => deployment))
  const allowed = providersOf(catalog, asked.key)
  const keeper = asked.binding?.isRequired === true ? providerOf(asked.binding.bound ?? '') : null
  const candidates = resolution.candidates
    // A disabled provider is not there; what kept the answer that is referred to is the only one asked.
    .filter(({ state, provider }) => state !== 'disabled' && (keeper === null || keeper === provider))
    .filter(({ provider }) => allowed === null || allowed.has(provider))
    .map((one): LoggedCandidate => {
      const id = idOf(resolution, one, named)
      const own = ownCost(catalog.providers.get(one.provider))
      const { provider, region, tier } = one
      const cost = own ?? costs.get(id) ?? null
      const weight = one.state === 'enabled' ? one.weight : 0
      return { provider, deployment: { id, region, cost }, tier, weight, hasOwnCost: own !== null }
    })
  return {
    kind: resolution.kind,
    stream: resolution.model === null ? null : modelStream(resolution.model),
    taste: STRATEGIES[resolution.strategy],
    region: resolution.region,
    candidates,
  }
}

/** Models that the record shows a provider to have listed. */
function listedBy({ model, candidates }: AskedFor, id: ProviderId): Readonly<{ id: string }>[] {
  return candidates.some(({ deployment }) => deployment === deploymentId(id, model)) ? [{ id: model }] : []
}

export const providersOf = ({ keys }: Catalog, id: string): ReadonlySet<string> | null => {
  const key = keys.get(keyId(id))
  const providers = key === undefined ? undefined : termsOf(key).scopes.providers
  return providers === undefined ? null : new Set(providers)
}

/** Pinned models that nobody listed share one place per provider; only the node knew whether it was listed. */
export function idOf(
  { kind }: Resolution,
  { provider, model }: NamedCandidate,
  named: ReadonlySet<string>,
): DeploymentId {
  const shared = deploymentId(provider, '*')
  return kind === 'pinned' && named.has(shared) ? shared : deploymentId(provider, model)
}

function ownCost(provider: Provider | undefined): Candidate['deployment']['cost'] {
  const { costInput, costOutput } = provider?.definition.routing ?? {}
  if (costInput === undefined && costOutput === undefined) return null
  return { input: costInput ?? 0, output: costOutput ?? 0 }
}

/** Of a deployment's id: everything before its first slash, which no provider's id holds. */
export const providerOf = (deployment: string): ProviderId =>
  providerId(deployment.slice(0, Math.max(0, deployment.indexOf('/'))))

export const modelOf = (deployment: string): string => deployment.slice(deployment.indexOf('/') + 1)

export const streamOf = (deployment: string): StreamId => providerStream(providerOf(deployment))
