/**
 * What differs among OpenAI's models and the hosts that speak its chat format.
 *
 * Pure data. Model names may carry a vendor's prefix (`openai/gpt-5`), as hosts of many models write them.
 */
import type { CapabilitySeed } from '../capability.ts'

const OPENAI = /(^|\.)openai\.(com|azure\.com)$|(^|\.)cognitiveservices\.azure\.com$|(^|\.)ai\.azure\.com$/
const MISTRAL = /(^|\.)mistral\.ai$/
const GROQ = /(^|\.)groq\.com$/
const DEEPSEEK = /(^|\.)deepseek\.com$/
const XAI = /(^|\.)x\.ai$/
const OPENROUTER = /(^|\.)openrouter\.ai$/
const ALIBABA = /(^|\.)aliyuncs\.com$/
const MOONSHOT = /(^|\.)(moonshot\.(ai|cn)|kimi\.com)$/
const PERPLEXITY = /(^|\.)perplexity\.ai$/
const GOOGLE = /(^|\.)googleapis\.com$/
const OLLAMA = /(^|\.)ollama\.com$/

/** o1, o3, o4-mini, gpt-5, gpt-6.1-sol, codex-mini…: they think; the `-chat` ones do not. */
const REASONING = /(^|\/)(o\d|gpt-([5-9]|\d\d)|codex-mini|computer-use)(?!.*-chat)/
const SIMPLE = /(^|\/)(gpt-(3|4)|chatgpt-|gpt-\d(\.\d+)?-chat|gpt-audio)/

export const seeds: readonly CapabilitySeed[] = [
  // OpenAI itself, also as Azure hosts it.
  { host: OPENAI, set: { maxCompletionTokens: true } },
  // Reasoning models: instructions are the developer's, and sampling is refused.
  { model: REASONING, set: { sampling: false } },
  {
    host: OPENAI,
    model: REASONING,
    set: {
      systemRole: 'developer',
      thinkingOff: false,
      efforts: ['low', 'medium', 'high'],
      refusedFields: ['stop', 'presence_penalty', 'frequency_penalty', 'logit_bias'],
    },
  },
  { host: OPENAI, model: /(^|\/)o\d/, set: { parallelSwitch: false } },
  { model: SIMPLE, set: { thinking: 'none' } },
  // The first ones knew no developer role; o1-mini not even a system's.
  { model: /(^|\/)o1-(mini|preview)/, set: { systemRole: 'system', thinking: 'none' } },
  {
    host: OPENAI,
    model: /(^|\/)gpt-([5-9]|\d\d)/,
    set: { customTools: true, toolSubset: true },
  },
  { host: OPENAI, model: /(^|\/)gpt-5(-|$)/, set: { efforts: ['minimal', 'low', 'medium', 'high'] } },
  {
    host: OPENAI,
    model: /(^|\/)gpt-5\.1/,
    set: { efforts: ['none', 'low', 'medium', 'high'], thinkingOff: true },
  },
  {
    host: OPENAI,
    model: /(^|\/)gpt-5\.1-codex-max|(^|\/)gpt-5\.([2-9]|\d\d)(?!.*-chat)/,
    set: { efforts: ['none', 'low', 'medium', 'high', 'xhigh'], thinkingOff: true },
  },
  {
    host: OPENAI,
    model: /(^|\/)gpt-(5\.([6-9]|\d\d)|([6-9]|\d\d))/,
    // Explicit cache breakpoints came with gpt-5.6.
    set: { efforts: ['none', 'low', 'medium', 'high', 'xhigh', 'max'], thinkingOff: true, cacheMarks: true },
  },
  { model: /(^|\/)gpt-5(\.\d+)?-codex(?!-max)/, set: { thinkingOff: false } },
  { host: OPENAI, model: /(^|\/)(o\d|gpt-\d(\.\d+)?)-pro/, set: { thinkingOff: false } },
  { host: OPENAI, model: /(^|\/)gpt-5-pro/, set: { efforts: ['high'] } },
  // Structured output came with the later gpt-4o; before there was only JSON without a schema.
  { model: /(^|\/)(gpt-3\.5|gpt-4(-|$)|gpt-4o-2024-05-13)/, set: { structuredOutput: false } },

  // Mistral: nine letters and digits for a call's id; unknown fields are refused; usage comes unasked.
  {
    host: MISTRAL,
    set: {
      callIdLength: 9,
      callIdForm: 'alphanumeric',
      streamUsage: false,
      thinking: 'none',
      maxTemperature: 1.5,
      chatQuirks: true,
      refusedFields: [
        'seed',
        'user',
        'logit_bias',
        'logprobs',
        'top_logprobs',
        'service_tier',
        'verbosity',
        'store',
        'prompt_cache_key',
        'web_search_options',
      ],
    },
  },
  {
    host: GROQ,
    set: {
      maxCompletionTokens: true,
      media: ['image'],
      refusedFields: ['logit_bias', 'logprobs', 'top_logprobs'],
    },
  },
  { host: GROQ, model: /gpt-oss/, set: { efforts: ['low', 'medium', 'high'], thinkingOff: false } },
  { host: GROQ, model: /^(?!.*(gpt-oss|qwen3))/, set: { thinking: 'none' } },
  // DeepSeek takes back what its model thought, within one run of tool calls; JSON without a schema only.
  {
    host: DEEPSEEK,
    set: {
      thinking: 'none',
      structuredOutput: false,
      media: [],
      reasoningReplay: 'reasoning_content',
    },
  },
  { host: XAI, set: { maxCompletionTokens: true, media: ['image'], reasoningReplay: 'reasoning_content' } },
  { host: XAI, model: /grok-3-mini/, set: { efforts: ['low', 'high'], thinkingOff: false } },
  { host: XAI, model: /grok-(2|3(?!-mini)|4(-|$))/, set: { thinking: 'none' } },
  // OpenRouter: keeps everybody's opaque state as `reasoning_details`.
  {
    host: OPENROUTER,
    set: { maxCompletionTokens: true, reasoningReplay: 'reasoning_details', chatQuirks: true },
  },
  {
    host: ALIBABA,
    set: { thinking: 'none', reasoningReplay: 'reasoning_content', chatQuirks: true },
  },
  { host: MOONSHOT, set: { thinking: 'none', maxTemperature: 1, reasoningReplay: 'reasoning_content' } },
  {
    host: PERPLEXITY,
    set: { thinking: 'none', streamUsage: false, media: ['image', 'document'], chatQuirks: true },
  },
  // Gemini behind OpenAI's format: calls may come without an id and an index.
  { host: GOOGLE, set: { media: ['image', 'audio'], chatQuirks: true } },
  { host: OLLAMA, set: { media: ['image'], urlMedia: false } },
]
