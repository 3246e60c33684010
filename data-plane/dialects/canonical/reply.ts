/**
 * The answer in the middle: what every dialect's answer is read into and written from.
 *
 * Pure data.
 */
import type { JsonObject } from './json.ts'
import type {
  DialectName,
  NativePart,
  ReasoningPart,
  RefusalPart,
  TextPart,
  ToolCallPart,
  MediaPart,
} from './request.ts'

export type AnswerPart = TextPart | RefusalPart | ReasoningPart | ToolCallPart | MediaPart | NativePart

export type CanonicalReply = Readonly<{
  /** Where it was said. */
  dialect: DialectName
  /** The upstream's id of the answer, and the model it says it is; null: not said. */
  id: string | null
  model: string | null
  /** Epoch seconds; null: not said. */
  created: number | null
  /** Never empty; most answers have one. */
  candidates: readonly Candidate[]
  usage: Usage | null
  serviceTier: string | null
}>

export type Candidate = Readonly<{
  index: number
  parts: readonly AnswerPart[]
  finish: Finish
  logprobs: readonly TokenLogprob[] | null
}>

/** See the table of finish reasons in each dialect's `terms.ts`. */
export type FinishKind =
  | 'stop'
  | 'stop-sequence'
  | 'length'
  | 'context-full'
  | 'tool-calls'
  | 'content-filter'
  | 'refusal'
  | 'pause'
  | 'other'

export type Finish = Readonly<{
  kind: FinishKind
  /** The stop sequence met. */
  sequence?: string
  /** Why the model refused, in words and as the upstream wrote it (Anthropic's `stop_details`). */
  explanation?: string
  details?: JsonObject
}>

/**
 * Tokens by kind. Totals include what they are made of: `input` the cached, `output` the thought ones.
 */
export type Usage = Readonly<{
  input: number
  output: number
  cacheRead: number
  cacheWrite: number
  /** Of `cacheWrite`, what is kept long (Anthropic's 1 h). */
  cacheWriteLong: number
  reasoning: number
  inputAudio: number
  outputAudio: number
  /** As the upstream wrote it. */
  native: JsonObject
}>

export type TokenLogprob = Readonly<{
  token: string
  logprob: number
  bytes: readonly number[] | null
  top: readonly Readonly<{ token: string; logprob: number; bytes: readonly number[] | null }>[]
}>
