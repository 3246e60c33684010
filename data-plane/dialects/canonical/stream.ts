/**
 * The answer in the middle, piece by piece.
 *
 * Pure data. What a reader promises, whatever its upstream sent:
 * - `start` comes first and once.
 * - Every part is opened once and closed once; `index` counts parts of the whole answer from 0 in the order
 *   of their opening. Parts may be open at the same time and their events may interleave: a writer whose
 *   format is strictly sequential buffers.
 * - `args` of one call put together are its JSON text; empty text counts as `{}`.
 * - `usage` is a snapshot: the last one counts.
 * - `finish` comes once for each candidate, after its parts were closed; `usage` may come after it, other
 *   events may not. After `error` nothing comes.
 */
import type { Problem } from '#contracts/errors.ts'
import type { Carrier } from './carrier.ts'
import type { Citation, MediaPart, NativePart } from './request.ts'
import type { Finish, TokenLogprob, Usage } from './reply.ts'

export type StreamEvent =
  | Readonly<{
      kind: 'start'
      id: string | null
      model: string | null
      serviceTier: string | null
      usage: Usage | null
    }>
  | PartStart
  | Readonly<{ kind: 'text'; index: number; text: string }>
  | Readonly<{ kind: 'refusal'; index: number; text: string }>
  | Readonly<{ kind: 'reasoning'; index: number; text: string }>
  | Readonly<{ kind: 'args'; index: number; text: string }>
  /** State of the part, to come back untouched. Before the part's end. */
  | Readonly<{ kind: 'carrier'; index: number; carrier: Carrier }>
  | Readonly<{ kind: 'citation'; index: number; citation: Citation }>
  | Readonly<{ kind: 'logprobs'; index: number; tokens: readonly TokenLogprob[] }>
  | Readonly<{ kind: 'part-end'; index: number }>
  | Readonly<{ kind: 'usage'; usage: Usage }>
  | Readonly<{ kind: 'finish'; candidate: number; finish: Finish }>
  /** The upstream told an error in the middle, or broke off. */
  | Readonly<{ kind: 'error'; problem: Problem }>
  | Readonly<{ kind: 'ping' }>

export type PartStart = Readonly<{
  kind: 'part-start'
  index: number
  candidate: number
  part:
    | Readonly<{ kind: 'text'; phase?: string }>
    | Readonly<{ kind: 'refusal' }>
    | Readonly<{ kind: 'reasoning'; isSummary: boolean }>
    | Readonly<{ kind: 'tool-call'; id: string; name: string; isCustom: boolean }>
    /** Whole at once: nothing follows but its end. */
    | MediaPart
    | NativePart
}>
