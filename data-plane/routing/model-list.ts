/**
 * The list of models, made when the snapshot is compiled: every name a client may use, once, with what is
 * known of it.
 *
 * Pure in effect. Logical models, their aliases, and the models providers list. What a provider's own list
 * tells comes first, then what is publicly known of the model.
 */
import { knownModel, type Ability, type KnownModel } from '#contracts/catalog/facts/known-models.ts'
import type { ListedModel } from '#contracts/catalog/facts/listed-model.ts'
import { sha256 } from '#contracts/commit/hash.ts'
import type { ProviderId } from '#contracts/ids.ts'
import type { Candidate, CompiledProvider, ModelEntry, ModelList, Route } from './snapshot.ts'

/** OpenAI's `model` object wants a creation time. Ours is a fixed past date: an unknown time is not now. */
const CREATED = 1_700_000_000

type Providers = ReadonlyMap<ProviderId, CompiledProvider>

export function modelList(
  routes: ReadonlyMap<string, Route>,
  providers: Providers,
  previous: ModelList | null,
): ModelList {
  const seen = new Map([...providers].map(([id, provider]) => [id, byId(provider.seen ?? [])] as const))
  const entries = [...routes].map(([id, route]) => entryOf(id, route, seen))
  entries.sort((one, other) => (one.id < other.id ? -1 : 1))
  const list = listOf(entries)
  return previous?.etag === list.etag ? previous : list
}

/**
 * What a client may see of a list. Names that two clients may use look the same to both.
 *
 * @param allows whether the client may use a name.
 */
export function visibleModels(list: ModelList, allows: (id: string) => boolean): ModelList {
  const entries = list.entries.filter(({ id }) => allows(id))
  return entries.length === list.entries.length ? list : listOf(entries)
}

function listOf(entries: readonly ModelEntry[]): ModelList {
  const body = Buffer.from(`{"object":"list","data":[${entries.map(openaiModel).join(',')}]}`)
  const etag = `"${sha256(body).toString('base64url').slice(0, 22)}"`
  return { entries, byId: byId(entries), body, etag }
}

const byId = <Item extends Readonly<{ id: string }>>(items: readonly Item[]): ReadonlyMap<string, Item> =>
  new Map(items.map((item) => [item.id, item]))

/** @returns OpenAI's `model` object as JSON text, with what clients of other gateways look for beside it. */
export function openaiModel(entry: ModelEntry): string {
  const { id, created, ownedBy, contextWindow, maxOutput, abilities, price } = entry
  return JSON.stringify({
    id,
    object: 'model',
    created,
    owned_by: ownedBy,
    ...(contextWindow === null ? {} : { context_window: contextWindow }),
    ...(maxOutput === null ? {} : { max_output_tokens: maxOutput }),
    ...(abilities.length === 0 ? {} : { capabilities: abilities }),
    ...(price === null ? {} : { price_per_million_tokens: price }),
  })
}

type Seen = ReadonlyMap<ProviderId, ReadonlyMap<string, ListedModel>>
type Facts = Readonly<{ listed: ListedModel | undefined; known: KnownModel | null }>

function entryOf(id: string, { logical, candidates }: Route, seen: Seen): ModelEntry {
  const facts = candidates.map(({ deployment: { provider, kind, model } }): Facts => ({
    listed: seen.get(provider)?.get(model),
    known: knownModel(kind, model),
  }))
  const first = facts[0]?.listed
  const owner = logical ? undefined : first?.ownedBy
  return {
    id,
    logical,
    ownedBy: logical ? 'apiproxy' : (owner ?? candidates[0]?.deployment.provider ?? 'apiproxy'),
    created: (logical ? undefined : first?.created) ?? CREATED,
    displayName: (logical ? undefined : first?.displayName) ?? id,
    mode: facts.every(({ known }) => known?.mode === 'embedding') && facts.length > 0 ? 'embedding' : 'chat',
    contextWindow: least(facts, ({ listed, known }) => listed?.contextWindow ?? known?.contextWindow),
    maxOutput: least(facts, ({ listed, known }) => listed?.maxOutput ?? (known?.maxOutput || undefined)),
    abilities: sharedAbilities(facts),
    price: preferred(candidates)?.deployment.cost ?? null,
  }
}

/** @returns the smallest of those that are known, or null when none is. */
function least(facts: readonly Facts[], value: (one: Facts) => number | undefined): number | null {
  const values = facts.flatMap((one) => value(one) ?? [])
  return values.length === 0 ? null : Math.min(...values)
}

/** Nothing where a single target is not known: it may lack anything. */
function sharedAbilities(facts: readonly Facts[]): readonly Ability[] {
  const all = facts.map(({ known }) => known?.abilities ?? [])
  return (all[0] ?? []).filter((ability) => all.every((abilities) => abilities.includes(ability)))
}

/** Who is asked first as long as all is well. */
function preferred(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates.reduce<Candidate | undefined>(
    (best, one) => (best === undefined || one.tier < best.tier ? one : best),
    undefined,
  )
}
