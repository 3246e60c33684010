/**
 * Opaque state of an answer, kept by the tool calls it belongs to, for clients that drop fields they do not
 * know; and put back into the history they send.
 *
 * Pure.
 */
import { carrierOf, type Carrier } from '../dialects/canonical/carrier.ts'
import { arrayOf, booleanOf, isObject, parseJson, stringOf } from '../dialects/canonical/json.ts'
import type { AnswerPart } from '../dialects/canonical/reply.ts'
import type { CanonicalRequest, Part, ReasoningPart, Turn } from '../dialects/canonical/request.ts'

/** What stood with one call: the reasoning before it, and its own state. */
export type Kept = Readonly<{ reasoning: readonly ReasoningPart[]; own: Carrier | null }>

/** @returns what is worth keeping of an answer, by call id; the reasoning goes with each of its calls. */
export function keptOf(parts: readonly AnswerPart[]): ReadonlyMap<string, Kept> {
  const kept = new Map<string, Kept>()
  const reasoning = parts.filter(
    (part): part is ReasoningPart => part.kind === 'reasoning' && part.carrier !== undefined,
  )
  for (const part of parts) {
    if (part.kind !== 'tool-call') continue
    const own = part.carrier ?? null
    if (own !== null || reasoning.length > 0) kept.set(part.id, { reasoning, own })
  }
  return kept
}

/** @returns ids of calls in the history whose state the client did not send back. */
export function callsWithoutState({ turns }: CanonicalRequest): readonly string[] {
  return turns.flatMap((turn) =>
    hasState(turn) ? [] : turn.parts.flatMap((part) => (part.kind === 'tool-call' ? [part.id] : [])),
  )
}

/** @param found by call id. */
export function restore(request: CanonicalRequest, found: ReadonlyMap<string, Kept>): CanonicalRequest {
  if (found.size === 0) return request
  return { ...request, turns: request.turns.map((turn) => (hasState(turn) ? turn : restored(turn, found))) }
}

function restored(turn: Turn, found: ReadonlyMap<string, Kept>): Turn {
  const first = turn.parts.flatMap((part) => (part.kind === 'tool-call' ? [found.get(part.id)] : []))[0]
  if (first === undefined) return turn
  const parts = turn.parts.map((part): Part => {
    const own = part.kind === 'tool-call' ? (found.get(part.id)?.own ?? null) : null
    return part.kind === 'tool-call' && own !== null ? { ...part, carrier: own } : part
  })
  // Visible reasoning without its state is worth less than the same with it.
  const others = first.reasoning.length === 0 ? parts : parts.filter(({ kind }) => kind !== 'reasoning')
  return { ...turn, parts: [...first.reasoning, ...others] }
}

/** The same history without anything opaque: what is left when an upstream does not take its own state back. */
export function withoutState(request: CanonicalRequest): CanonicalRequest {
  const bare = (part: Part): readonly Part[] => {
    if (!('carrier' in part) || part.carrier === undefined) return [part]
    const { carrier: _, ...rest } = part
    return rest.kind === 'reasoning' && rest.text === '' ? [] : [rest]
  }
  return { ...request, turns: request.turns.map((turn) => ({ ...turn, parts: turn.parts.flatMap(bare) })) }
}

const hasState = (turn: Turn): boolean =>
  turn.parts.some((part) => 'carrier' in part && part.carrier !== undefined)

export const encodeKept = (kept: Kept): string => JSON.stringify(kept)

export function decodeKept(text: string): Kept | null {
  const value = parseJson(text)
  if (!isObject(value)) return null
  const reasoning = arrayOf(value['reasoning']).flatMap((part): ReasoningPart[] => {
    const carrier = isObject(part) ? carrierOf(part['carrier']) : null
    if (!isObject(part) || carrier === null) return []
    return [
      {
        kind: 'reasoning',
        text: stringOf(part['text']) ?? '',
        isSummary: booleanOf(part['isSummary']) ?? false,
        carrier,
      },
    ]
  })
  return { reasoning, own: carrierOf(value['own']) }
}
