/**
 * Who could have served a recorded request under some configuration: candidates as a node would have them.
 *
 * Pure. What providers list and charge is as it is known now, and as the record has it where that is not known.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { costOf, priceAt } from '#contracts/catalog/price.ts'
import { deploymentId } from '#contracts/ids.ts'
import type { Candidate } from '#contracts/routing/standing.ts'
import { STRATEGIES, type CompiledStrategy } from '#contracts/routing/strategies.ts'
import { idOf, modelOf, providerOf, providersOf } from '../explain/candidates.ts'
import { resolveName, type ResolveView } from '../explain/resolve-name.ts'
import type { PastRequest } from './past-request.ts'

/** A configuration, and what is known beside it. */
export type Setting = Readonly<{
  catalog: Catalog
  seen: ResolveView['seen']
  /** At whose prices tokens are counted, in epoch milliseconds. */
  pricesAt: number
}>

/** The way a request takes. Null in place of one: nobody is known to serve what it asks for. */
export type Way = Readonly<{
  taste: CompiledStrategy
  region: string | null
  candidates: readonly Candidate[]
  /** The commit that last changed the logical model; 0: there is none. */
  changedAt: number
  /** By index of the candidate, its index in the record; undefined: it is not there. */
  recorded: readonly (number | undefined)[]
}>

export class Ways {
  readonly #setting: Setting
  /** By list of recorded candidates and by everything else that decides. */
  readonly #ways = new Map<PastRequest['candidates'], Map<string, Way | null>>()
  readonly #models = new Map<string, string>()

  constructor(setting: Setting) {
    this.#setting = setting
  }

  /** @param name that is looked up: what the client wrote, or the model it was served as. */
  of(request: PastRequest, name: string): Way | null {
    const { candidates, binding, key } = request
    const keeper = binding?.isRequired === true ? providerOf(binding.bound ?? '') : null
    const allowed = providersOf(this.#setting.catalog, key)
    const known = this.#ways.get(candidates) ?? new Map<string, Way | null>()
    this.#ways.set(candidates, known)
    const wanted = `${name}\n${keeper ?? ''}\n${allowed === null ? '*' : [...allowed].join(' ')}`
    const found = known.get(wanted)
    if (found !== undefined) return found
    const way = this.#make(name, request, (provider) =>
      keeper === null ? allowed?.has(provider) !== false : provider === keeper,
    )
    known.set(wanted, way)
    return way
  }

  /** The model that serves a name; the name itself: there is none, or it is the model's own. */
  modelOf(name: string): string {
    const known = this.#models.get(name)
    if (known !== undefined) return known
    const { model } = resolveName(this.#setting.catalog, name, { seen: () => null, factor: () => null })
    this.#models.set(name, model ?? name)
    return model ?? name
  }

  /** US dollars that tokens cost at a deployment; null: nobody has said a price. */
  costOf(deployment: string, tokens: PastRequest['tokens']): number | null {
    const { catalog, pricesAt } = this.#setting
    const provider = catalog.providers.get(providerOf(deployment))
    const price = provider === undefined ? null : priceAt(provider, modelOf(deployment), pricesAt)
    return price === null ? null : costOf(price, tokens) / 1e9
  }

  #make(name: string, request: PastRequest, isAllowed: (provider: string) => boolean): Way | null {
    const { candidates: listed } = request
    const { catalog } = this.#setting
    const resolution = resolveName(catalog, name, this.#view(name, listed))
    if (resolution.kind === 'unknown') return null
    const places = new Map(listed.map(({ deployment }, index) => [deployment, index]))
    const named = new Set(places.keys())
    const placed = resolution.candidates
      .filter(({ state, provider }) => state !== 'disabled' && isAllowed(provider))
      .map((one) => {
        const id = idOf(resolution, one, named)
        const place = places.get(id)
        const cost = one.cost ?? (place === undefined ? null : (listed[place]?.cost ?? null))
        const weight = one.state === 'enabled' ? one.weight : 0
        return { place, candidate: { deployment: { id, region: one.region, cost }, tier: one.tier, weight } }
      })
      // In the order that the node had them: with the same dice the same one is drawn.
      .toSorted((one, other) => (one.place ?? Infinity) - (other.place ?? Infinity) || 0)
    return {
      taste: STRATEGIES[resolution.strategy],
      region: resolution.region,
      changedAt: resolution.model === null ? 0 : (catalog.models.get(resolution.model)?.changedAt ?? 0),
      candidates: placed.map(({ candidate }) => candidate),
      recorded: placed.map(({ place }) => place),
    }
  }

  /** What providers list now, and what the record shows them to have listed. */
  #view(name: string, listed: PastRequest['candidates']): ResolveView {
    const { seen } = this.#setting
    return {
      seen: (id) => {
        const standing = seen(id)
        const models = standing?.models ?? []
        const isThere = models.some((model) => model.id === name)
        const wasThere = listed.some(({ deployment }) => deployment === deploymentId(id, name))
        return { models: wasThere && !isThere ? [...models, { id: name }] : models, problem: null }
      },
      factor: () => null,
    }
  }
}
