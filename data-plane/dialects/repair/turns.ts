/**
 * Histories in the order that Anthropic and Gemini insist on.
 *
 * Pure. Chat and Responses let results stand anywhere after their call; the other two want every call
 * answered in the very next turn, by one user turn that begins with the results.
 */
import type { Losses } from '../canonical/loss.ts'
import type { Part, TextPart, ToolCallPart, ToolResultPart, Turn } from '../canonical/request.ts'

/** Neighbouring turns of one role become one turn. An author's name stays where both have the same. */
export function mergeRuns(turns: readonly Turn[]): readonly Turn[] {
  const merged: Turn[] = []
  for (const turn of turns) {
    const last = merged.at(-1)
    if (last?.role !== turn.role) {
      merged.push(turn)
      continue
    }
    const parts = [...last.parts, ...turn.parts]
    const name = last.name === turn.name ? turn.name : undefined
    merged[merged.length - 1] = { role: turn.role, parts, ...(name === undefined ? {} : { name }) }
  }
  return merged
}

/** Without texts that say nothing, and without turns that then hold nothing. */
export function dropEmpty(turns: readonly Turn[]): readonly Turn[] {
  return turns.flatMap((turn) => {
    const parts = turn.parts.filter((part) => !isEmpty(part)).map(withoutEmptyContent)
    if (parts.length === 0) return []
    return parts.every((part, index) => part === turn.parts[index]) && parts.length === turn.parts.length
      ? [turn]
      : [{ ...turn, parts }]
  })
}

/** An empty text may still carry state that has to go back. */
const isEmpty = (part: Part): boolean =>
  (part.kind === 'text' && part.text === '' && part.carrier === undefined) ||
  (part.kind === 'refusal' && part.text === '')

function withoutEmptyContent(part: Part): Part {
  if (part.kind !== 'tool-result') return part
  const content = part.content.filter((piece) => !isEmpty(piece))
  return content.length === part.content.length ? part : { ...part, content }
}

const NO_RESULT: TextPart = { kind: 'text', text: 'no result' }

/**
 * Each run of assistant turns with calls is followed by one user turn that begins with all their results, in
 * the order of the calls. A call nobody answered gets an error for a result; a result nobody called for, or
 * a second one for the same call, is dropped. Both are told.
 */
export function pairResults(turns: readonly Turn[], losses: Losses): readonly Turn[] {
  const answers = matchResults(turns, losses)
  const paired: Turn[] = []
  let owed: ToolResultPart[] = []
  turns.forEach((turn, index) => {
    if (turn.role === 'assistant') {
      turn.parts.forEach((part, place) => {
        if (part.kind !== 'tool-call') return
        const answer = answers.get(keyOf(index, place))
        if (answer === undefined) losses.warn(`turns[${index}].parts[${place}]`, 'synthesised')
        owed.push(answer ?? noResult(part))
      })
    } else if (owed.length > 0 && turn.role !== 'user') {
      paired.push({ role: 'user', parts: owed })
      owed = []
    }
    const rest = turn.parts.filter((part) => part.kind !== 'tool-result')
    const first = turn.role === 'user' ? owed : []
    if (turn.role === 'user') owed = []
    if (first.length + rest.length > 0) paired.push({ ...turn, parts: [...first, ...rest] })
  })
  if (owed.length > 0) paired.push({ role: 'user', parts: owed })
  return paired
}

const keyOf = (turn: number, part: number): string => `${turn}.${part}`

const noResult = ({ id, name, isCustom }: ToolCallPart): ToolResultPart => ({
  kind: 'tool-result',
  callId: id,
  name,
  content: [NO_RESULT],
  isError: true,
  isCustom,
})

/**
 * Call (by its place) → its result. Some clients count ids anew in every turn, so a result belongs to the
 * latest turn that called by its id.
 */
function matchResults(turns: readonly Turn[], losses: Losses): ReadonlyMap<string, ToolResultPart> {
  const answers = new Map<string, ToolResultPart>()
  const open = new Map<string, { turn: number; keys: string[] }>()
  turns.forEach((turn, index) => {
    turn.parts.forEach((part, place) => {
      if (part.kind === 'tool-call' && turn.role === 'assistant') {
        const waiting = open.get(part.id)
        if (waiting?.turn === index) waiting.keys.push(keyOf(index, place))
        else open.set(part.id, { turn: index, keys: [keyOf(index, place)] })
      }
      if (part.kind !== 'tool-result') return
      const call = open.get(part.callId)?.keys.shift()
      if (call === undefined) losses.warn(`turns[${index}].parts[${place}]`, 'dropped')
      else answers.set(call, part)
    })
  })
  return answers
}
