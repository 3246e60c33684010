/**
 * What a model at a provider can take: data, so that encoders hold no list of models.
 *
 * Pure. Seeds by provider kind and model name stand in `capability-seeds.ts`; an operator overrides single
 * members. Absent knowledge is optimistic: what is not known to be refused is sent.
 */
import { z } from 'zod'

/** From nothing to everything; see `EFFORTS` of the canonical request. */
export const EFFORT_LEVELS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
const Effort = z.enum(EFFORT_LEVELS)
const Media = z.enum(['image', 'document', 'audio', 'video'])

export const Capabilities = z.strictObject({
  /** Takes `temperature`, `top_p`, `top_k`. */
  sampling: z.boolean(),
  /** `temperature` and `top_p` in one request; absent: yes. */
  temperatureWithTopP: z.boolean().optional(),
  /** Highest `temperature`; higher ones are clamped. */
  maxTemperature: z.number().positive(),
  /** How thinking is asked for: not at all, by effort, adaptive with effort, by a token budget, by Gemini's level. */
  thinking: z.enum(['none', 'effort', 'adaptive', 'budget', 'level']),
  /** Levels it takes, of the canonical ones; others are moved to the nearest. */
  efforts: z.array(Effort),
  /** Fewest and most thinking tokens it takes, where it takes a budget; absent: not known. */
  leastBudget: z.int().nonnegative().optional(),
  mostBudget: z.int().positive().optional(),
  /** Thinking can be switched off. */
  thinkingOff: z.boolean(),
  /** Anthropic: thinking can at least be kept to the gaps between tools. */
  betweenTools: z.boolean().optional(),
  /** May be forced to call a tool (`required`, one by name). */
  forcedToolChoice: z.boolean(),
  /** Forced calls also while it thinks. */
  forcedWithThinking: z.boolean(),
  /** Parallel calls can be switched off. */
  parallelSwitch: z.boolean(),
  /** Knows free-form (`custom`) tools. */
  customTools: z.boolean(),
  /** System turns in mid-conversation. */
  midSystem: z.boolean(),
  /** An answer may be begun for it (trailing assistant turn). */
  prefill: z.boolean(),
  /** JSON Schema output; also together with tools. */
  structuredOutput: z.boolean(),
  structuredWithTools: z.boolean(),
  /** Fetches media by URL itself. */
  urlMedia: z.boolean(),
  media: z.array(Media),
  /** Media inside tool results. */
  toolResultMedia: z.boolean(),
  /** Most output tokens; null: not known. Anthropic must be given one. */
  maxOutputTokens: z.int().positive().nullable(),
  /** Longest tool-call id, and what it may be made of. */
  callIdLength: z.int().positive(),
  callIdForm: z.enum(['any', 'url-safe', 'alphanumeric']),
  /** Longest tool name. */
  toolNameLength: z.int().positive(),
  /** Chat: what instructions are called, and whether `max_completion_tokens` is known. */
  systemRole: z.enum(['system', 'developer']),
  maxCompletionTokens: z.boolean(),
  /** Chat: takes `stream_options.include_usage`. */
  streamUsage: z.boolean(),
  /** Chat: how reasoning goes back: not at all, as `reasoning_content`, as `reasoning_details`. */
  reasoningReplay: z.enum(['none', 'reasoning_content', 'reasoning_details']),
  /** Chat: a choice among some of the tools (`allowed_tools`). */
  toolSubset: z.boolean().optional(),
  /** Chat: top-level fields it answers with an error. */
  refusedFields: z.array(z.string().max(100)).max(100).optional(),
  /** Chat: content as a list of parts; false: plain text only. */
  contentParts: z.boolean(),
  /** Chat: its streams depart from OpenAI's; repaired for clients of the same dialect, too. */
  chatQuirks: z.boolean().optional(),
  /** Anthropic: the API version to speak. */
  anthropicVersion: z.string(),
  /** Gemini: refuses calls in the history without their `thoughtSignature`. */
  signedCalls: z.boolean().optional(),
  /** Gemini: takes the resolution of a single picture or film. */
  partResolution: z.boolean().optional(),
  /** Cache marks on parts. */
  cacheMarks: z.boolean(),
  /** Extra top-level fields of other dialects that this one takes as well (`extra_body`). */
  extraFields: z.array(z.string().max(100)).max(100),
})
export type Capabilities = Readonly<z.infer<typeof Capabilities>>

/** An operator's overrides: any subset. */
export const CapabilityOverrides = Capabilities.partial()
export type CapabilityOverrides = Readonly<z.infer<typeof CapabilityOverrides>>

/** What is known of the models whose names match, at the hosts that match. Absent: of all. */
export type CapabilitySeed = Readonly<{ host?: RegExp; model?: RegExp; set: CapabilityOverrides }>

/** What an operator knows better, for the models a pattern names; `*` stands for any text. Later rules win. */
export const CapabilityRules = z
  .array(z.strictObject({ model: z.string().min(1).max(200).default('*'), set: CapabilityOverrides }))
  .max(100)
export type CapabilityRules = Readonly<z.infer<typeof CapabilityRules>>

/** @returns what the rules say of one upstream model, put together. */
export function overridesFor(rules: CapabilityRules, model: string): CapabilityOverrides {
  const matching = rules.filter((rule) => matchesPattern(rule.model, model))
  return Object.assign({}, ...matching.map(({ set }) => set))
}

/** `*` stands for any text. Piece by piece, not as a regular expression: the pattern is somebody's input. */
export function matchesPattern(pattern: string, model: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  if (!model.startsWith(first)) return false
  if (rest.length === 0) return model === first
  let at = first.length
  for (const piece of rest.slice(0, -1)) {
    const found = model.indexOf(piece, at)
    if (found === -1) return false
    at = found + piece.length
  }
  const last = rest.at(-1) ?? ''
  return model.length - last.length >= at && model.endsWith(last)
}
