/**
 * Parts of entities as somebody says them: what is not named is not said, null takes an optional member away.
 *
 * Pure. The schemas have no defaults, unlike the entities' own: a default would overwrite what is there.
 */
import { z } from 'zod'
import { CapabilityRules } from '#contracts/catalog/capability.ts'
import { KeyScopes } from '#contracts/catalog/client-key.ts'
import { Limits } from '#contracts/catalog/limits.ts'
import { UpstreamPrices } from '#contracts/catalog/price.ts'
import {
  BaseUrl,
  ProviderDefinition,
  ProviderDialects,
  ProviderKind,
  ProviderModels,
  ProviderProbe,
  ProviderRouting,
  ProviderTimeouts,
} from '#contracts/catalog/provider.ts'

const routing = ProviderRouting.shape
const timeouts = ProviderTimeouts.shape
const probe = ProviderProbe.shape
const models = ProviderModels.shape

export const ProviderPatch = z.strictObject({
  name: ProviderDefinition.shape.name.optional(),
  kind: ProviderKind.optional(),
  baseUrl: BaseUrl.optional(),
  dialects: ProviderDialects.nullable().optional(),
  capabilities: CapabilityRules.nullable().optional(),
  prices: UpstreamPrices.nullable().optional(),
  allowPrivate: ProviderDefinition.shape.allowPrivate.unwrap().optional(),
  routing: z
    .strictObject({
      weight: routing.weight.unwrap().optional(),
      region: routing.region.unwrap().nullable().optional(),
      retryableStatusCodes: routing.retryableStatusCodes.unwrap().nullable().optional(),
      maxQps: routing.maxQps.unwrap().nullable().optional(),
      maxConcurrency: routing.maxConcurrency.unwrap().nullable().optional(),
      costInput: routing.costInput.unwrap().nullable().optional(),
      costOutput: routing.costOutput.unwrap().nullable().optional(),
    })
    .optional(),
  timeouts: z
    .strictObject({
      connectMs: timeouts.connectMs.unwrap().optional(),
      answerMs: timeouts.answerMs.unwrap().optional(),
      firstTokenMs: timeouts.firstTokenMs.unwrap().optional(),
      idleMs: timeouts.idleMs.unwrap().optional(),
    })
    .optional(),
  probe: z
    .strictObject({
      enabled: probe.enabled.unwrap().optional(),
      intervalMs: probe.intervalMs.unwrap().optional(),
      model: probe.model.unwrap().nullable().optional(),
    })
    .optional(),
  models: z
    .strictObject({ path: models.path.unwrap().optional(), static: models.static.unwrap().optional() })
    .optional(),
})
export type ProviderPatch = Readonly<z.infer<typeof ProviderPatch>>

const scopes = KeyScopes.shape

export const ScopesPatch = z.strictObject({
  models: scopes.models.unwrap().nullable().optional(),
  providers: scopes.providers.unwrap().nullable().optional(),
  endpoints: scopes.endpoints.unwrap().nullable().optional(),
})
export type ScopesPatch = Readonly<z.infer<typeof ScopesPatch>>

const limits = Limits.shape

export const LimitsPatch = z.strictObject({
  requestsPerMinute: limits.requestsPerMinute.unwrap().nullable().optional(),
  tokensPerMinute: limits.tokensPerMinute.unwrap().nullable().optional(),
  concurrency: limits.concurrency.unwrap().nullable().optional(),
})
export type LimitsPatch = Readonly<z.infer<typeof LimitsPatch>>

/** @returns `present` with what the patch says; a list is said as a whole. */
export function merged(present: object, patch: object): object {
  const result = new Map<string, unknown>(Object.entries(present))
  for (const [name, value] of Object.entries(patch)) {
    const before = result.get(name)
    if (value === undefined) continue
    if (value === null) result.delete(name)
    else result.set(name, isPart(value) ? merged(isPart(before) ? before : {}, value) : value)
  }
  return Object.fromEntries(result)
}

const isPart = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
