/**
 * The list of one provider's models on its way from the control plane to the nodes, and into the shared cache.
 *
 * Pure in effect. Signed, because whoever can write to the bus or the cache must not decide where names lead;
 * ordered by when it was fetched, because lists overtake each other; one provider a message, because all of
 * them together can be larger than a message may be.
 */
import { z } from 'zod'
import { openText, signText } from '../commit/hash.ts'
import { ListedModels, type ListedModel } from '../catalog/facts/listed-model.ts'
import { providerId, type ProviderId } from '../ids.ts'
import { err, ok, type Result } from '../result.ts'

const Message = z.object({ v: z.literal(1), provider: z.string(), ...ListedModels.shape })

export type ProviderList = Readonly<{ provider: ProviderId; list: ListedModels }>

/** Of a message, in bytes: NATS takes 1 MiB unless told otherwise. */
const MOST_BYTES = 900_000

/**
 * Says what fits into a message: first everything, then the ids alone, then as many ids as fit.
 *
 * @param key `MasterKey.models`.
 */
export function signModelList({ provider, list }: ProviderList, key: Uint8Array): string {
  const textOf = (models: readonly ListedModel[]): string =>
    JSON.stringify({ v: 1, provider, at: list.at, models })
  const fits = (text: string): boolean => Buffer.byteLength(text) <= MOST_BYTES
  let models = list.models
  let text = textOf(models)
  if (!fits(text)) {
    models = models.map(({ id }) => ({ id }))
    text = textOf(models)
  }
  while (!fits(text)) {
    models = models.slice(0, Math.floor(models.length / 2))
    text = textOf(models)
  }
  return signText(text, key)
}

export function openModelList(signed: string, key: Uint8Array): Result<ProviderList, string> {
  const text = openText(signed, key)
  if (text === null) return err('not signed by this installation')
  try {
    const { provider, at, models } = Message.parse(JSON.parse(text))
    return ok({ provider: providerId(provider), list: { at, models } })
  } catch {
    return err('malformed')
  }
}
