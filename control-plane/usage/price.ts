/**
 * What a provider's model cost at a time: as the operator said, else as is publicly known.
 *
 * Pure.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { priceOf, type ModelPrice } from '#contracts/catalog/facts/known-models.ts'
import type { Provider } from '#contracts/catalog/provider.ts'
import { providerId } from '#contracts/ids.ts'

/** @returns null when nobody has said. A provider that was removed since has its public prices no more. */
export function priceAt({ providers }: Catalog, provider: string, model: string): ModelPrice | null {
  const known = providers.get(providerId(provider))
  return known === undefined ? null : (ownPrice(known) ?? priceOf(known.definition.kind, model))
}

/** One price for all its models, from its routing. */
function ownPrice({ definition: { routing } }: Provider): ModelPrice | null {
  const { costInput, costOutput } = routing
  if (costInput === undefined && costOutput === undefined) return null
  return { input: costInput ?? 0, output: costOutput ?? 0 }
}
