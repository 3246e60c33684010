/**
 * Ids of tool calls that the target takes.
 *
 * Pure. An id is the only tie between a call and its result, so both get the same new one. It is made from
 * the old one alone: the same conversation sent to another node, or a turn later, says the same ids again,
 * and a prompt cache still meets. Ids never carry anything but themselves.
 */
import type { Part, Turn } from '../canonical/request.ts'
import { shortHash } from './hash.ts'

export type CallIdForm = Readonly<{
  /** Most characters; of an `alphanumeric` id (Mistral's) exactly so many. */
  length: number
  form: 'any' | 'url-safe' | 'alphanumeric'
}>

const URL_SAFE = /^[A-Za-z0-9_-]+$/
const ALPHANUMERIC = /^[A-Za-z0-9]+$/

/** As long as OpenAI's own (`call_` and 24). */
const HASH_LENGTH = 24

/** @returns the same turns when every id fits. */
export function fitCallIds(turns: readonly Turn[], form: CallIdForm): readonly Turn[] {
  const fitted = turns.map((turn) => fitTurn(turn, form))
  return fitted.some((turn, index) => turn !== turns[index]) ? fitted : turns
}

function fitTurn(turn: Turn, form: CallIdForm): Turn {
  const parts = turn.parts.map((part) => fitPart(part, form))
  return parts.some((part, index) => part !== turn.parts[index]) ? { ...turn, parts } : turn
}

function fitPart(part: Part, form: CallIdForm): Part {
  if (part.kind === 'tool-call' && !isFit(part.id, form)) return { ...part, id: replace(part.id, form) }
  if (part.kind === 'tool-result' && !isFit(part.callId, form)) {
    return { ...part, callId: replace(part.callId, form) }
  }
  return part
}

function isFit(id: string, { length, form }: CallIdForm): boolean {
  if (id === '' || id.length > length) return false
  if (form === 'any') return true
  return form === 'url-safe' ? URL_SAFE.test(id) : ALPHANUMERIC.test(id) && id.length === length
}

function replace(id: string, { length, form }: CallIdForm): string {
  if (form === 'alphanumeric') return shortHash(id, length)
  return `call_${shortHash(id, HASH_LENGTH)}`.slice(0, length)
}
