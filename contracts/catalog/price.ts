/**
 * What a provider's models cost, as the operator says, from when on.
 *
 * Pure. A provider has one list of its prices, which a change replaces whole; of two that fit, the later one
 * counts, and of two from the same time the more exact.
 */
import { z } from 'zod'
import { priceOf, type ModelPrice } from './facts/known-models.ts'
import type { Provider } from './provider.ts'

const dollars = z.number().nonnegative().max(1_000_000)

const UpstreamPrice = z.strictObject({
  /** As the provider knows it; `*`: all its models. */
  model: z.string().min(1).max(200),
  /** In force from then on, in epoch milliseconds; 0: since ever. */
  from: z.int().nonnegative().default(0),
  /** US dollars per million tokens. */
  input: dollars,
  output: dollars,
  cacheRead: dollars.optional(),
  cacheWrite: dollars.optional(),
})
export const UpstreamPrices = z.array(UpstreamPrice).max(2_000)
type UpstreamPrice = Readonly<z.infer<typeof UpstreamPrice>>

/** In force from `from` until the next. Null: nobody has said. */
export type PriceSpan = Readonly<{ from: number; to: number; price: ModelPrice | null }>

type Priced = Pick<Provider, 'definition'>

/** @returns the price of a model at a time: the operator's, else what is publicly known. */
export function priceAt({ definition }: Priced, model: string, at: number): ModelPrice | null {
  const own = bestOf(definition.prices ?? [], model, at)
  if (own !== null) {
    const { input, output, cacheRead, cacheWrite } = own
    return {
      input,
      output,
      ...(cacheRead === undefined ? {} : { cacheRead }),
      ...(cacheWrite === undefined ? {} : { cacheWrite }),
    }
  }
  const { costInput, costOutput } = definition.routing
  if (costInput !== undefined || costOutput !== undefined)
    return { input: costInput ?? 0, output: costOutput ?? 0 }
  return priceOf(definition.kind, model)
}

/** The times between two that have one price each. */
export function priceSpans(provider: Priced, model: string, from: number, to: number): readonly PriceSpan[] {
  const changes = (provider.definition.prices ?? [])
    .map((price) => price.from)
    .filter((at) => at > from && at < to)
  const borders = [...new Set([from, ...changes, to])].toSorted((one, other) => one - other)
  return borders
    .slice(0, -1)
    .map((start, at) => ({ from: start, to: borders[at + 1] ?? to, price: priceAt(provider, model, start) }))
}

/**
 * What tokens cost, in billionths of a US dollar: the books' own rule, for those who must know before them.
 * The database computes it for the books (`usage_cost`); they may differ by the last one.
 */
export function costOf(
  { input, output, cacheRead, cacheWrite }: ModelPrice,
  tokens: Readonly<{ input: number; output: number; cacheRead: number; cacheWrite: number }>,
): number {
  const [into, out] = [Math.round(tokens.input), Math.round(tokens.output)]
  const [read, written] = [Math.round(tokens.cacheRead), Math.round(tokens.cacheWrite)]
  const millionths =
    Math.max(0, into - read - written) * input +
    out * output +
    read * (cacheRead ?? input) +
    written * (cacheWrite ?? input)
  return Math.round(millionths * 1_000)
}

/** A list is never changed, and asked of for every request that a budget pays: by model, looked through once. */
const byModel = new WeakMap<readonly UpstreamPrice[], ReadonlyMap<string, readonly UpstreamPrice[]>>()

function pricesOf(prices: readonly UpstreamPrice[], model: string): readonly UpstreamPrice[] {
  let known = byModel.get(prices)
  if (known === undefined) {
    known = Map.groupBy(prices, (price) => price.model)
    byModel.set(prices, known)
  }
  return known.get(model) ?? []
}

function bestOf(prices: readonly UpstreamPrice[], model: string, at: number): UpstreamPrice | null {
  let best: UpstreamPrice | null = null
  for (const price of pricesOf(prices, model))
    if (price.from <= at && (best === null || price.from >= best.from)) best = price
  if (model === '*') return best
  for (const price of pricesOf(prices, '*'))
    if (price.from <= at && (best === null || price.from > best.from)) best = price
  return best
}
