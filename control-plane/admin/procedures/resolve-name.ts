/**
 * Who could serve a model name, by the catalog alone: the same order as a node's, without what nodes know
 * beside the catalog (discovered lists, health, weights of the prober).
 *
 * Pure.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { Provider, ProviderState } from '#contracts/catalog/provider.ts'
import { modelName, providerId, type ModelName, type ProviderId } from '#contracts/ids.ts'

export type NamedCandidate = Readonly<{
  provider: ProviderId
  /** Model name the provider knows. */
  model: string
  tier: number
  weight: number
  state: ProviderState
  /** Does it take new requests? */
  takes: boolean
}>

export type Resolution = Readonly<{
  name: string
  /** How the name was understood. `unknown`: nobody is known to serve it. */
  kind: 'logical' | 'alias' | 'listed' | 'pinned' | 'unknown'
  /** The logical model behind the name, when there is one. */
  model: ModelName | null
  candidates: readonly NamedCandidate[]
}>

export function resolveByCatalog(catalog: Catalog, name: string): Resolution {
  return logical(catalog, name) ?? listed(catalog, name) ?? pinned(catalog, name) ?? unknown(name)
}

const unknown = (name: string): Resolution => ({ name, kind: 'unknown', model: null, candidates: [] })

function logical(catalog: Catalog, name: string): Resolution | null {
  const asked = modelName(name)
  const model =
    catalog.models.get(asked) ?? [...catalog.models.values()].find(({ aliases }) => aliases.includes(asked))
  if (model === undefined) return null
  const candidates = model.targets.flatMap((target): NamedCandidate[] => {
    const provider = catalog.providers.get(target.provider)
    return provider === undefined ? [] : [candidate(provider, target.model, target.tier, target.weight)]
  })
  return { name, kind: model.name === asked ? 'logical' : 'alias', model: model.name, candidates }
}

/** Providers whose own list names the model; one that takes nothing new does not make a group. */
function listed(catalog: Catalog, name: string): Resolution | null {
  const candidates = [...catalog.providers.values()]
    .filter(({ state, definition }) => state === 'enabled' && definition.models.static.includes(name))
    .map((provider) => candidate(provider, name, 0, provider.definition.routing.weight))
  return candidates.length === 0 ? null : { name, kind: 'listed', model: null, candidates }
}

/** `provider/model`: that provider, whatever its list says. */
function pinned(catalog: Catalog, name: string): Resolution | null {
  const slash = name.indexOf('/')
  if (slash <= 0 || slash === name.length - 1) return null
  const provider = catalog.providers.get(providerId(name.slice(0, slash)))
  if (provider === undefined || provider.state === 'disabled') return null
  return { name, kind: 'pinned', model: null, candidates: [candidate(provider, name.slice(slash + 1), 0, 1)] }
}

function candidate({ id, state }: Provider, model: string, tier: number, weight: number): NamedCandidate {
  return { provider: id, model, tier, weight, state, takes: state === 'enabled' && weight > 0 }
}
