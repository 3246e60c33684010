/**
 * Words of the Messages API and what they mean in the middle: why an answer ended, tiers, cache marks, usage,
 * citations. Anthropic cites for a whole block of text, the others for a stretch of it: read, a citation covers
 * its block; written, the stretch becomes the cited text.
 *
 * Pure.
 */
import { isObject, numberOf, objectOf, stringOf, type JsonObject, type JsonValue } from '../canonical/json.ts'
import type { Candidate, Finish, FinishKind, Usage } from '../canonical/reply.ts'
import type { CacheMark, Citation } from '../canonical/request.ts'

export const DIALECT = 'anthropic'

/** The version every server knows. */
export const FIRST_VERSION = '2023-06-01'

/** Headers that say which language is spoken; kept beside the body's own fields for the same dialect. */
export const VERSION_HEADER = 'anthropic-version'
export const BETA_HEADER = 'anthropic-beta'

/** Least thinking budget, in tokens; the API refuses smaller ones. */
export const LEAST_BUDGET = 1_024

/** Cache marks that one request may have. */
export const MOST_CACHE_MARKS = 4

/** Said for the user where the format wants a user's turn and there is none. */
export const FILLER = '.'

const FINISHES: ReadonlyMap<string, FinishKind> = new Map([
  ['end_turn', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'context-full'],
  ['stop_sequence', 'stop-sequence'],
  ['tool_use', 'tool-calls'],
  ['pause_turn', 'pause'],
  // Not the model's own words, but a classifier's: what the other dialects call filtered content.
  ['refusal', 'content-filter'],
])

const STOP_REASONS: Readonly<Record<FinishKind, string>> = {
  stop: 'end_turn',
  'stop-sequence': 'stop_sequence',
  length: 'max_tokens',
  'context-full': 'model_context_window_exceeded',
  'tool-calls': 'tool_use',
  'content-filter': 'refusal',
  refusal: 'refusal',
  pause: 'pause_turn',
  other: 'end_turn',
}

/** @param end `message` of a whole answer, or the `delta` of a `message_delta`. Unknown reasons are `other`. */
export function readFinish(end: JsonObject): Finish {
  const kind = FINISHES.get(stringOf(end['stop_reason']) ?? '') ?? 'other'
  const sequence = stringOf(end['stop_sequence'])
  const details = isObject(end['stop_details']) ? end['stop_details'] : undefined
  const explanation = stringOf(details?.['explanation'])
  return {
    kind,
    ...(sequence === undefined ? {} : { sequence }),
    ...(explanation === undefined ? {} : { explanation }),
    ...(details === undefined ? {} : { details }),
  }
}

export type Ending = Readonly<{ reason: string; sequence: string | null; details: JsonObject | null }>

/**
 * @param said kinds of the answer's parts. Some upstreams say `stop` although they called a tool, and chat
 * says it although the model refused.
 */
export function writeFinish(finish: Finish, said: Readonly<{ call: boolean; refusal: boolean }>): Ending {
  const kind =
    finish.kind === 'stop' ? (said.call ? 'tool-calls' : said.refusal ? 'refusal' : 'stop') : finish.kind
  const isRefusal = kind === 'refusal' || kind === 'content-filter'
  return {
    reason: STOP_REASONS[kind],
    sequence: kind === 'stop-sequence' ? (finish.sequence ?? null) : null,
    details: isRefusal ? refusalDetails(finish) : null,
  }
}

function refusalDetails({ details, explanation }: Finish): JsonObject | null {
  if (details?.['type'] === 'refusal') return details
  return explanation === undefined ? null : { type: 'refusal', category: null, explanation }
}

export const saidIn = (parts: Candidate['parts']): Readonly<{ call: boolean; refusal: boolean }> => ({
  call: parts.some(({ kind }) => kind === 'tool-call'),
  refusal: parts.some(({ kind }) => kind === 'refusal'),
})

/** Cache marks: five minutes are the default, an hour is asked for. */
export function readCache(value: JsonValue | undefined): CacheMark | undefined {
  if (!isObject(value)) return undefined
  const ttl = value['ttl']
  return { ttl: ttl === '1h' ? 'long' : ttl === '5m' ? 'short' : null }
}

export const writeCache = ({ ttl }: CacheMark): JsonObject =>
  ttl === null ? { type: 'ephemeral' } : { type: 'ephemeral', ttl: ttl === 'long' ? '1h' : '5m' }

/** Tiers as requests ask for them; `speed` is the other half of OpenAI's one word. */
export const TIERS_ASKED: ReadonlyMap<string, string> = new Map([
  ['auto', 'auto'],
  ['default', 'standard_only'],
])
export const TIERS_READ: ReadonlyMap<string, string> = new Map([
  ['auto', 'auto'],
  ['standard_only', 'default'],
])

/** Tiers as answers tell them. */
const TIERS_TOLD: ReadonlyMap<string, string> = new Map([
  ['standard', 'default'],
  ['priority', 'priority'],
  ['batch', 'batch'],
])

export const readTier = (usage: JsonObject): string | null => {
  const tier = stringOf(usage['service_tier'])
  return tier === undefined ? null : (TIERS_TOLD.get(tier) ?? tier)
}

const writeTier = (tier: string | null): string | null =>
  tier === 'default' ? 'standard' : tier === 'priority' || tier === 'batch' ? tier : null

/** Anthropic counts input without what the cache gave or took; the middle counts all of it. */
export function readUsage(usage: JsonObject): Usage {
  const cacheRead = numberOf(usage['cache_read_input_tokens']) ?? 0
  const creation = objectOf(usage['cache_creation'])
  const long = numberOf(creation['ephemeral_1h_input_tokens']) ?? 0
  const cacheWrite =
    numberOf(usage['cache_creation_input_tokens']) ??
    long + (numberOf(creation['ephemeral_5m_input_tokens']) ?? 0)
  return {
    input: (numberOf(usage['input_tokens']) ?? 0) + cacheRead + cacheWrite,
    output: numberOf(usage['output_tokens']) ?? 0,
    cacheRead,
    cacheWrite,
    cacheWriteLong: long,
    reasoning: numberOf(objectOf(usage['output_tokens_details'])['thinking_tokens']) ?? 0,
    inputAudio: 0,
    outputAudio: 0,
    native: usage,
  }
}

/**
 * The later numbers over the earlier ones: all of them are running totals. A member that is null or absent
 * says nothing.
 */
export function mergeUsage(before: JsonObject, later: JsonObject): JsonObject {
  const told = Object.entries(later).filter(([, value]) => value !== null && value !== undefined)
  return { ...before, ...Object.fromEntries(told) }
}

const NO_USAGE: Usage = {
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWriteLong: 0,
  reasoning: 0,
  inputAudio: 0,
  outputAudio: 0,
  native: {},
}

/** Whole, because the SDKs' types promise every member: as a message's own `usage`. */
export function writeUsage(usage: Usage | null, tier: string | null): JsonObject {
  const told = usage ?? NO_USAGE
  return {
    ...writeDeltaUsage(told),
    cache_creation: {
      ephemeral_5m_input_tokens: Math.max(0, told.cacheWrite - told.cacheWriteLong),
      ephemeral_1h_input_tokens: told.cacheWriteLong,
    },
    inference_geo: null,
    service_tier: writeTier(tier),
    speed: null,
  }
}

/** As at a stream's end: input and cache again, because clients take them from there. */
export function writeDeltaUsage(usage: Usage | null): JsonObject {
  const told = usage ?? NO_USAGE
  return {
    input_tokens: Math.max(0, told.input - told.cacheRead - told.cacheWrite),
    cache_creation_input_tokens: told.cacheWrite,
    cache_read_input_tokens: told.cacheRead,
    output_tokens: told.output,
    output_tokens_details: { thinking_tokens: told.reasoning },
    server_tool_use: isObject(told.native['server_tool_use']) ? told.native['server_tool_use'] : null,
  }
}

/** @param length of the block's text, in UTF-16 code units. */
export function readCitation(value: JsonObject, length: number): Citation {
  const type = stringOf(value['type'])
  const url =
    stringOf(value['url']) ?? (type === 'search_result_location' ? stringOf(value['source']) : undefined)
  const title = stringOf(value['title']) ?? stringOf(value['document_title'])
  const citedText = stringOf(value['cited_text'])
  return {
    kind: type === 'web_search_result_location' ? 'url' : 'document',
    ...(url === undefined ? {} : { url }),
    ...(title === undefined ? {} : { title }),
    start: 0,
    end: length,
    ...(citedText === undefined ? {} : { citedText }),
    native: { dialect: DIALECT, value },
  }
}

/** @param text of the block it stands in. */
export function writeCitation(citation: Citation, text: string): JsonObject {
  if (citation.native?.dialect === DIALECT) return citation.native.value
  const { kind, url, title, start, end, citedText } = citation
  const cited = citedText ?? text.slice(start ?? 0, end ?? text.length)
  if (kind === 'url') {
    return {
      type: 'web_search_result_location',
      cited_text: cited,
      // Tells Anthropic's own search result; there is none.
      encrypted_index: '',
      title: title ?? null,
      url: url ?? '',
    }
  }
  return {
    type: 'search_result_location',
    cited_text: cited,
    search_result_index: 0,
    source: url ?? title ?? '',
    title: title ?? null,
    start_block_index: 0,
    end_block_index: 0,
  }
}

/** Goes back to Anthropic only as it came from there: made-up indexes would cite what is not there. */
export const isNativeCitation = (citation: Citation): boolean => citation.native?.dialect === DIALECT
