/**
 * The request in the middle: what every dialect's request is read into and written from.
 *
 * Pure data. A superset of what the four dialects can say, as ordered parts (Anthropic's blocks, Responses'
 * items and Gemini's parts; chat is the poorest). An absent member was not sent: writers then leave the
 * target's own default alone.
 */
import type { Dialect } from '#contracts/catalog/provider.ts'
import type { Carrier } from './carrier.ts'
import type { JsonObject, JsonValue, RawJson } from './json.ts'

/** The wire formats, under the names that operators use as well. */
export type DialectName = Dialect
export const DIALECTS: readonly DialectName[] = ['openai-chat', 'openai-responses', 'anthropic', 'gemini']

export type CanonicalRequest = Readonly<{
  /** Whose words these are: what `source` means. */
  dialect: DialectName
  /** As the client wrote it. */
  model: string
  stream: boolean
  /** Leading system and developer texts, block borders kept. */
  system: readonly SystemBlock[]
  /** The conversation after them. Neighbouring turns may have the same role. */
  turns: readonly Turn[]
  tools: readonly Tool[]
  toolChoice?: ToolChoice
  /** False: at most one call per answer. */
  parallelTools?: boolean
  params: Params
  format?: OutputFormat
  reasoning?: ReasoningWish
  /** Top-level fields that no other dialect has. Written back only to the dialect they came from. */
  extras: readonly Extra[]
  /** How the client wants its answer told; concerns the writer of the answer, never the upstream. */
  telling: Readonly<{
    /** Chat: a usage chunk was asked for (`stream_options.include_usage`). */
    usageChunk: boolean
    /** Chat: the client used `functions` and wants `function_call` back. */
    legacyFunctions: boolean
    /** Gemini: `sse`, or a JSON array growing element by element (no `alt=sse`). */
    framing: 'sse' | 'json-array'
    /** The client's format shows reasoning, or it asked for summaries. */
    reasoning: boolean
  }>
  /** The body as parsed: for answers that echo it (Responses). */
  source: JsonObject
}>

export type CacheMark = Readonly<{ ttl: 'short' | 'long' | null }>

export type SystemBlock = Readonly<{ text: string; role: 'system' | 'developer'; cache?: CacheMark }>

export type Turn = Readonly<{
  /** Tool results are parts of user turns. `system` turns stand in mid-conversation. */
  role: 'user' | 'assistant' | 'system' | 'developer'
  parts: readonly Part[]
  /** Author's name (chat). */
  name?: string
}>

export type Part =
  | TextPart
  | MediaPart
  | RefusalPart
  | ReasoningPart
  | ToolCallPart
  | ToolResultPart
  | NativePart

export type TextPart = Readonly<{
  kind: 'text'
  text: string
  cache?: CacheMark
  citations?: readonly Citation[]
  /** Gemini signs texts as well. */
  carrier?: Carrier
  /** Responses' `commentary` or `final_answer`. */
  phase?: string
}>

export type MediaKind = 'image' | 'document' | 'audio' | 'video'

export type MediaPart = Readonly<{
  kind: 'media'
  media: MediaKind
  source:
    | Readonly<{ kind: 'url'; url: string }>
    /** `data` in base64, never decoded. */
    | Readonly<{ kind: 'base64'; data: string }>
    /** A provider's file; means something only to its owner. */
    | Readonly<{ kind: 'file'; id: string; dialect: DialectName }>
    /** A document as plain text. */
    | Readonly<{ kind: 'text'; text: string }>
  /** `image/png`; absent: not said (see `media-type.ts`). */
  mimeType?: string
  filename?: string
  title?: string
  context?: string
  /** Anthropic: citations of this document are wanted. */
  isCited?: boolean
  /** OpenAI's words: auto, low, high, original. */
  detail?: string
  cache?: CacheMark
}>

export type RefusalPart = Readonly<{ kind: 'refusal'; text: string }>

/** What the model thought, as far as it is shown, and the state that must come back untouched. */
export type ReasoningPart = Readonly<{
  kind: 'reasoning'
  /** May be empty: only the carrier counts then. */
  text: string
  /** A summary (Responses) rather than the thought itself. */
  isSummary: boolean
  carrier?: Carrier
}>

export type ToolCallPart = Readonly<{
  kind: 'tool-call'
  id: string
  name: string
  /** JSON text of an object; for a custom tool the free text itself. */
  args: RawJson
  isCustom: boolean
  carrier?: Carrier
  native?: NativeMembers
}>

/** Members of a part or tool that only its own dialect has; written back only there. */
export type NativeMembers = Readonly<{ dialect: DialectName; value: JsonObject }>

export type ToolResultPart = Readonly<{
  kind: 'tool-result'
  callId: string
  /** Gemini names the function; elsewhere looked up by the call's id. */
  name?: string
  content: readonly (TextPart | MediaPart)[]
  isError: boolean
  isCustom: boolean
  cache?: CacheMark
  native?: NativeMembers
}>

/** A part that only its own dialect knows: server tools' calls and results, search results, containers. */
export type NativePart = Readonly<{
  kind: 'native'
  dialect: DialectName
  /** Its type there, for the message when it cannot go anywhere else. */
  type: string
  value: JsonObject
}>

export type Tool = FunctionTool | CustomTool | WebSearchTool | NativeTool

export type FunctionTool = Readonly<{
  kind: 'function'
  name: string
  description?: string
  /** JSON Schema of the arguments; absent: takes none. */
  parameters?: JsonObject
  strict?: boolean
  cache?: CacheMark
  native?: NativeMembers
}>

/** Free-form text instead of arguments (OpenAI). `format` as OpenAI writes it in Responses. */
export type CustomTool = Readonly<{
  kind: 'custom'
  name: string
  description?: string
  format?: JsonObject
}>

/** The one server tool that all dialects have in some form; `options` in the words of `dialect`. */
export type WebSearchTool = Readonly<{ kind: 'web-search'; dialect: DialectName; value: JsonObject }>

export type NativeTool = Readonly<{ kind: 'native'; dialect: DialectName; type: string; value: JsonObject }>

export type ToolChoice =
  | Readonly<{ kind: 'auto' | 'none' | 'required' }>
  | Readonly<{ kind: 'one'; name: string; isCustom: boolean }>
  /** Only these, of which one must be (`required`) or may be (`auto`) called. */
  | Readonly<{ kind: 'subset'; names: readonly string[]; mode: 'auto' | 'required' }>

export type Params = Readonly<{
  maxTokens?: number
  temperature?: number
  topP?: number
  topK?: number
  frequencyPenalty?: number
  presencePenalty?: number
  seed?: number
  /** Answers wanted; 1 is not written down. */
  n?: number
  logitBias?: JsonObject
  stop?: readonly string[]
  /** Alternatives wanted for each token; 0: only the chosen token's. */
  topLogprobs?: number
  verbosity?: string
  /** `safety_identifier`, else `user`, else `metadata.user_id`. */
  endUser?: string
  metadata?: Readonly<Record<string, string>>
  /** OpenAI's words: auto, default, flex, scale, priority. */
  serviceTier?: string
  cacheKey?: string
  /** Anthropic's top-level mark: cache up to the last block. */
  cache?: CacheMark
  store?: boolean
}>

export type ParamName = keyof Params

export type OutputFormat =
  | Readonly<{ kind: 'json' }>
  | Readonly<{ kind: 'schema'; name?: string; description?: string; schema: JsonObject; strict?: boolean }>

export const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
export type Effort = (typeof EFFORTS)[number]

export type ReasoningWish = Readonly<{
  effort?: Effort
  /** Anthropic and Gemini 2.5: thinking tokens. -1: as the model likes (Gemini). */
  budget?: number
  /** Anthropic's `adaptive`: on, as much as the model likes. */
  adaptive?: boolean
  /** Show what was thought: `auto`, `concise` or `detailed`; `none`: hide it. */
  show?: 'auto' | 'concise' | 'detailed' | 'none'
}>

/**
 * A field of one dialect only.
 * `cross`: what leaving it out means: `warn` (a loss, told), `silent` (a hint without semantic effect),
 * `refuse` (the answer would be a wrong one).
 */
export type Extra = Readonly<{ path: string; value: JsonValue; cross: 'warn' | 'silent' | 'refuse' }>

/** Offsets count UTF-16 code units of the text part they belong to, as JavaScript does. */
export type Citation = Readonly<{
  kind: 'url' | 'document'
  url?: string
  title?: string
  start?: number
  end?: number
  citedText?: string
  /** As the upstream wrote it, for the same dialect. */
  native?: Readonly<{ dialect: DialectName; value: JsonObject }>
}>
