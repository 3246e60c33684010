/**
 * What is known of models and hosts without being told: the base of each provider kind, and what differs.
 *
 * Pure data. Seeds are applied in their order, then the operator's overrides. They hold what providers
 * document or were seen to do; a fact that is not certain is left out, because what is sent in vain costs one
 * refused attempt, and what is held back in vain costs the client a feature.
 */
import {
  EFFORT_LEVELS,
  type Capabilities,
  type CapabilityOverrides,
  type CapabilitySeed,
} from './capability.ts'
import { seeds as anthropicSeeds } from './capability-seeds/anthropic.ts'
import { seeds as geminiSeeds } from './capability-seeds/gemini.ts'
import { seeds as openaiSeeds } from './capability-seeds/openai.ts'
import type { ProviderKind } from './provider.ts'

/** Any OpenAI-compatible server: what nearly all of them take. */
const OPENAI: Capabilities = {
  sampling: true,
  maxTemperature: 2,
  thinking: 'effort',
  efforts: [...EFFORT_LEVELS],
  thinkingOff: true,
  forcedToolChoice: true,
  forcedWithThinking: true,
  parallelSwitch: true,
  customTools: false,
  midSystem: true,
  prefill: true,
  structuredOutput: true,
  structuredWithTools: true,
  urlMedia: true,
  media: ['image', 'document', 'audio'],
  toolResultMedia: true,
  maxOutputTokens: null,
  callIdLength: 40,
  callIdForm: 'any',
  toolNameLength: 64,
  systemRole: 'system',
  maxCompletionTokens: false,
  streamUsage: true,
  reasoningReplay: 'none',
  contentParts: true,
  anthropicVersion: '2023-06-01',
  cacheMarks: false,
  extraFields: [],
}

const ANTHROPIC: Capabilities = {
  ...OPENAI,
  maxTemperature: 1,
  thinking: 'adaptive',
  forcedWithThinking: false,
  media: ['image', 'document'],
  maxOutputTokens: 128_000,
  callIdLength: 64,
  callIdForm: 'url-safe',
  cacheMarks: true,
}

const GEMINI: Capabilities = {
  ...OPENAI,
  thinking: 'level',
  parallelSwitch: false,
  midSystem: false,
  media: ['image', 'document', 'audio', 'video'],
  callIdLength: 64,
  toolNameLength: 128,
}

const KINDS: Readonly<
  Record<ProviderKind, Readonly<{ base: Capabilities; seeds: readonly CapabilitySeed[] }>>
> = {
  openai: { base: OPENAI, seeds: openaiSeeds },
  anthropic: { base: ANTHROPIC, seeds: anthropicSeeds },
  gemini: { base: GEMINI, seeds: geminiSeeds },
}

/**
 * @param baseHost the host name of the provider's base URL, without a port.
 * @param model the upstream's name of the model.
 */
export function capabilitiesOf(
  kind: ProviderKind,
  baseHost: string,
  model: string,
  overrides: CapabilityOverrides,
): Capabilities {
  const { base, seeds } = KINDS[kind]
  let capabilities = base
  for (const { host, model: pattern, set } of seeds)
    if ((host?.test(baseHost) ?? true) && (pattern?.test(model) ?? true))
      capabilities = join(capabilities, set)
  return join(capabilities, overrides)
}

/** An override that is there but undefined is none. */
const join = (base: Capabilities, set: CapabilityOverrides): Capabilities => ({
  ...base,
  ...Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined)),
})
