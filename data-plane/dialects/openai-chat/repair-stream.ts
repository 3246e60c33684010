/**
 * Streams of hosts that nearly speak chat, made whole for clients whose SDK would stumble over them.
 *
 * Pure. For answers that pass natively from providers with `chatQuirks`: an event that needs nothing stays
 * the very same text, and most are told by a search for a few words without being parsed. What is mended is
 * what the official SDKs throw at or silently get wrong: no role in front, calls without index, type or id, a
 * second call under the index of the first, content as a list, `stop` after calls.
 */
import { isArray, isObject, numberOf, objectOf, parseJson, stringOf } from '../canonical/json.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import { inventId } from './read-reply.ts'
import { readFunction, thinkingText } from './request/read-messages.ts'

export interface StreamRepair {
  /** @param data of one event. @returns the same text when nothing is amiss. */
  repair(data: string): string
}

export const openRepair = (): StreamRepair => new ChatStreamRepair()

type RepairedCall = { readonly index: number; id: string; args: string }

class ChatStreamRepair implements StreamRepair {
  readonly #choices = new Map<number, ChoiceRepair>()

  repair(data: string): string {
    if (!this.#mayNeed(data)) return data
    const chunk = parseJson(data)
    const choices = isObject(chunk) ? chunk['choices'] : undefined
    if (!isObject(chunk) || !isArray(choices)) return data
    let isChanged = false
    const repaired = choices.map((choice) => {
      const given = objectOf(choice)
      const whole = this.#repairOf(given).repair(given, stringOf(chunk['id']) ?? '')
      isChanged ||= whole !== given
      return whole
    })
    return isChanged ? JSON.stringify({ ...chunk, choices: repaired }) : data
  }

  /** Nearly every event is a piece of text after the first one. */
  #mayNeed(data: string): boolean {
    const first = this.#choices.get(0)
    if (first === undefined || data.includes('"tool_calls"')) return true
    if (first.hasCalls && data.includes('"stop"')) return true
    if (!data.includes('"delta"')) return true
    return !data.includes('"content":"') && (data.includes('"content":[') || data.includes('"content": ['))
  }

  #repairOf(choice: JsonObject): ChoiceRepair {
    const index = numberOf(choice['index']) ?? 0
    const known = this.#choices.get(index)
    if (known !== undefined) return known
    const made = new ChoiceRepair()
    this.#choices.set(index, made)
    return made
  }
}

class ChoiceRepair {
  #hasRole = false
  /** Host's index of a call, or none → the call that stands there now. */
  readonly #calls = new Map<number | undefined, RepairedCall>()
  #count = 0

  get hasCalls(): boolean {
    return this.#count > 0
  }

  repair(choice: JsonObject, chunkId: string): JsonObject {
    const given = choice['delta'] ?? choice['message']
    const changes: Record<string, JsonValue | undefined> = {}
    if (isObject(given)) {
      const delta = this.#delta(given, chunkId)
      if (delta !== choice['delta']) changes['delta'] = delta
    }
    if (this.hasCalls && choice['finish_reason'] === 'stop') changes['finish_reason'] = 'tool_calls'
    if (choice['index'] === undefined) changes['index'] = 0
    return Object.keys(changes).length === 0 ? choice : { ...choice, ...changes }
  }

  #delta(delta: JsonObject, chunkId: string): JsonObject {
    const changes: Record<string, JsonValue | undefined> = {}
    const { content, tool_calls: pieces } = delta
    if (!this.#hasRole && delta['role'] === undefined) changes['role'] = 'assistant'
    this.#hasRole = true
    if (isArray(content)) Object.assign(changes, flattened(content, delta))
    if (isArray(pieces)) {
      const calls = pieces.map((piece) => this.#call(objectOf(piece), chunkId))
      if (calls.some((call, at) => call !== pieces[at])) changes['tool_calls'] = calls
    }
    return Object.keys(changes).length === 0 ? delta : { ...delta, ...changes }
  }

  #call(piece: JsonObject, chunkId: string): JsonObject {
    const called = objectOf(piece['function'])
    const { name, args } = readFunction(called)
    const said = stringOf(piece['id']) ?? ''
    const id = said === 'null' ? '' : said
    const place = numberOf(piece['index'])
    const known = this.#calls.get(place)
    const isNext = known === undefined || isAnother(known, id, name)
    const call = isNext ? this.#next(place, id === '' ? inventId(`${chunkId} ${this.#count}`) : id) : known
    call.args += args
    const changes: Record<string, JsonValue | undefined> = {}
    if (place !== call.index) changes['index'] = call.index
    if (isNext && said !== call.id) changes['id'] = call.id
    if (!isNext && said === 'null') changes['id'] = undefined
    if (isNext && piece['type'] === undefined && piece['custom'] === undefined) changes['type'] = 'function'
    const isText = typeof called['arguments'] === 'string'
    if (piece['function'] !== undefined && !isText) changes['function'] = { ...called, arguments: args }
    return Object.keys(changes).length === 0 ? piece : { ...piece, ...changes }
  }

  #next(place: number | undefined, id: string): RepairedCall {
    const call = { index: this.#count++, id, args: '' }
    this.#calls.set(place, call)
    return call
  }
}

/** By a new id with a name; where no ids are sent, by a name after arguments that are whole. */
function isAnother(call: RepairedCall, id: string, name: string): boolean {
  if (name === '') return false
  if (id !== '') return id !== call.id
  return call.args !== '' && parseJson(call.args) !== undefined
}

/** Mistral's list: texts are the content, thinking stands where others have it. */
function flattened(content: readonly JsonValue[], delta: JsonObject): JsonObject {
  let text = ''
  let thought = ''
  for (const piece of content) {
    const part = objectOf(piece)
    if (part['type'] === 'thinking') thought += thinkingText(part)
    else text += stringOf(piece) ?? stringOf(part['text']) ?? ''
  }
  if (thought === '') return { content: text }
  const before = stringOf(delta['reasoning_content']) ?? ''
  return { content: text === '' ? null : text, reasoning_content: before + thought }
}
