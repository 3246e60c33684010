/**
 * What is publicly known of common models: sizes, abilities and list prices, where a provider's own list does
 * not tell.
 *
 * Pure data. From the vendors' model and pricing pages (platform.openai.com, docs.anthropic.com, ai.google.dev)
 * as they stood at the end of 2025. Prices are standard-tier list prices in US dollars per million tokens; those of long
 * prompts, batches and other tiers differ. A starting point: what an operator sets, or a provider lists, wins.
 */
import type { ProviderKind } from '../provider.ts'

export type ModelPrice = Readonly<{
  input: number
  output: number
  /** Input read from the provider's prompt cache; absent: as other input. */
  cacheRead?: number
  /** Input written to it, at its shortest lifetime; absent: as other input. */
  cacheWrite?: number
}>

export type Ability = 'vision' | 'tools' | 'reasoning' | 'structured_output' | 'prompt_caching'

export type KnownModel = Readonly<{
  mode: 'chat' | 'embedding'
  /** Tokens. Anthropic and OpenAI count prompt and answer together, Google the prompt alone. */
  contextWindow: number
  /** Largest answer, in tokens; 0: it answers no text. */
  maxOutput: number
  price: ModelPrice
  abilities: readonly Ability[]
}>

type Vendor = 'openai' | 'anthropic' | 'google'
type Row = readonly [
  name: string,
  contextWindow: number,
  maxOutput: number,
  price: ModelPrice,
  abilities: readonly Ability[],
]

const BASIC: readonly Ability[] = ['tools']
const SEEING: readonly Ability[] = ['vision', 'tools', 'structured_output', 'prompt_caching']
const THINKING: readonly Ability[] = [...SEEING, 'reasoning']
/** Anthropic's own structured output came with later models. */
const CLAUDE: readonly Ability[] = ['vision', 'tools', 'prompt_caching']
const CLAUDE_THINKING: readonly Ability[] = [...CLAUDE, 'reasoning']

const price = (input: number, output: number, cacheRead?: number): ModelPrice =>
  cacheRead === undefined ? { input, output } : { input, output, cacheRead }
/** Anthropic: a tenth for what is read from the cache, a quarter more for what is written to it. */
const claudePrice = (input: number, output: number): ModelPrice => ({
  input,
  output,
  cacheRead: input / 10,
  cacheWrite: input * 1.25,
})

const OPENAI: readonly Row[] = [
  ['gpt-3.5-turbo', 16_385, 4_096, price(0.5, 1.5), BASIC],
  ['gpt-4', 8_192, 8_192, price(30, 60), BASIC],
  ['gpt-4-turbo', 128_000, 4_096, price(10, 30), ['vision', 'tools']],
  // The first issue cost twice as much as those after it.
  ['gpt-4o-2024-05-13', 128_000, 4_096, price(5, 15), ['vision', 'tools']],
  ['gpt-4o', 128_000, 16_384, price(2.5, 10, 1.25), SEEING],
  ['gpt-4o-mini', 128_000, 16_384, price(0.15, 0.6, 0.075), SEEING],
  ['gpt-4.1', 1_047_576, 32_768, price(2, 8, 0.5), SEEING],
  ['gpt-4.1-mini', 1_047_576, 32_768, price(0.4, 1.6, 0.1), SEEING],
  ['gpt-4.1-nano', 1_047_576, 32_768, price(0.1, 0.4, 0.025), SEEING],
  ['o1', 200_000, 100_000, price(15, 60, 7.5), THINKING],
  ['o3', 200_000, 100_000, price(2, 8, 0.5), THINKING],
  [
    'o3-mini',
    200_000,
    100_000,
    price(1.1, 4.4, 0.55),
    ['tools', 'structured_output', 'prompt_caching', 'reasoning'],
  ],
  ['o4-mini', 200_000, 100_000, price(1.1, 4.4, 0.275), THINKING],
  ['gpt-5', 400_000, 128_000, price(1.25, 10, 0.125), THINKING],
  ['gpt-5-mini', 400_000, 128_000, price(0.25, 2, 0.025), THINKING],
  ['gpt-5-nano', 400_000, 128_000, price(0.05, 0.4, 0.005), THINKING],
  ['gpt-5.1', 400_000, 128_000, price(1.25, 10, 0.125), THINKING],
]

const ANTHROPIC: readonly Row[] = [
  ['claude-3-haiku', 200_000, 4_096, { input: 0.25, output: 1.25, cacheRead: 0.03, cacheWrite: 0.3 }, CLAUDE],
  ['claude-3-opus', 200_000, 4_096, claudePrice(15, 75), CLAUDE],
  ['claude-3-5-haiku', 200_000, 8_192, claudePrice(0.8, 4), CLAUDE],
  ['claude-3-5-sonnet', 200_000, 8_192, claudePrice(3, 15), CLAUDE],
  ['claude-3-7-sonnet', 200_000, 64_000, claudePrice(3, 15), CLAUDE_THINKING],
  ['claude-sonnet-4', 200_000, 64_000, claudePrice(3, 15), CLAUDE_THINKING],
  ['claude-opus-4', 200_000, 32_000, claudePrice(15, 75), CLAUDE_THINKING],
  ['claude-opus-4-1', 200_000, 32_000, claudePrice(15, 75), [...CLAUDE_THINKING, 'structured_output']],
  ['claude-sonnet-4-5', 200_000, 64_000, claudePrice(3, 15), THINKING],
  ['claude-haiku-4-5', 200_000, 64_000, claudePrice(1, 5), THINKING],
  ['claude-opus-4-5', 200_000, 64_000, claudePrice(5, 25), THINKING],
]

const GOOGLE: readonly Row[] = [
  ['gemini-2.0-flash', 1_048_576, 8_192, price(0.1, 0.4, 0.025), SEEING],
  ['gemini-2.0-flash-lite', 1_048_576, 8_192, price(0.075, 0.3), ['vision', 'tools', 'structured_output']],
  ['gemini-2.5-flash', 1_048_576, 65_536, price(0.3, 2.5, 0.03), THINKING],
  ['gemini-2.5-flash-lite', 1_048_576, 65_536, price(0.1, 0.4, 0.01), THINKING],
  // Of prompts up to 200,000 tokens.
  ['gemini-2.5-pro', 1_048_576, 65_536, price(1.25, 10, 0.125), THINKING],
  ['gemini-3-pro-preview', 1_048_576, 65_536, price(2, 12, 0.2), THINKING],
]

type EmbeddingRow = readonly [vendor: Vendor, name: string, contextWindow: number, input: number]
const EMBEDDINGS: readonly EmbeddingRow[] = [
  ['openai', 'text-embedding-ada-002', 8_192, 0.1],
  ['openai', 'text-embedding-3-small', 8_192, 0.02],
  ['openai', 'text-embedding-3-large', 8_192, 0.13],
  ['google', 'gemini-embedding-001', 2_048, 0.15],
]

type Entry = Readonly<{ vendor: Vendor; model: KnownModel }>

const chat = (vendor: Vendor, rows: readonly Row[]): readonly (readonly [string, Entry])[] =>
  rows.map(([name, contextWindow, maxOutput, cost, abilities]) => [
    name,
    { vendor, model: { mode: 'chat', contextWindow, maxOutput, price: cost, abilities } },
  ])

const KNOWN: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ...chat('openai', OPENAI),
  ...chat('anthropic', ANTHROPIC),
  ...chat('google', GOOGLE),
  ...EMBEDDINGS.map(([vendor, name, contextWindow, input]): readonly [string, Entry] => [
    name,
    {
      vendor,
      model: { mode: 'embedding', contextWindow, maxOutput: 0, price: price(input, 0), abilities: [] },
    },
  ]),
])

/** OpenAI-compatible servers resell everybody's models; the two others have their own alone. */
const VENDOR: Readonly<Record<ProviderKind, Vendor | null>> = {
  openai: null,
  anthropic: 'anthropic',
  gemini: 'google',
}

/** What says which issue of a model is meant: `-2024-08-06`, `-20250929`, `@20250929`, `-latest`, `-001`. */
const ISSUE = /(-\d{4}-\d{2}-\d{2}|[-@]\d{8}|-latest|-00[1-9])$/

/** @param model as the provider knows it, with or without its vendor and its date. */
export function knownModel(kind: ProviderKind, model: string): KnownModel | null {
  const bare = model.slice(model.lastIndexOf('/') + 1)
  const entry = KNOWN.get(bare) ?? KNOWN.get(bare.replace(ISSUE, ''))
  const vendor = VENDOR[kind]
  return entry === undefined || (vendor !== null && entry.vendor !== vendor) ? null : entry.model
}

/** @returns the list price, or null when the model is not one of those known. */
export const priceOf = (kind: ProviderKind, model: string): ModelPrice | null =>
  knownModel(kind, model)?.price ?? null
