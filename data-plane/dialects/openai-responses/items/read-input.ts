/**
 * The conversation of a Responses request, from its items.
 *
 * Pure. Items stand in one flat list: what the model said in one go (reasoning, messages, calls) becomes one
 * assistant turn, results that follow each other one user turn, every other message a turn of its own. Ids
 * of items are not kept: they mean something only where they are stored, and calls are tied to their results
 * by `call_id`.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { readCarrier, type Carrier, type Sealer } from '../../canonical/carrier.ts'
import { isArray, isObject, objectOf, stringOf, type JsonObject } from '../../canonical/json.ts'
import type { Part, SystemBlock, TextPart, ToolResultPart, Turn } from '../../canonical/request.ts'
import { readContent, readResultContent, textsOf } from './read-content.ts'
import { NAME } from '../terms.ts'

export type Conversation = Readonly<{ system: readonly SystemBlock[]; turns: readonly Turn[] }>

type Draft = { role: Turn['role']; parts: Part[]; of: 'message' | 'answer' | 'results' }

type Reading = {
  readonly system: SystemBlock[]
  readonly turns: Draft[]
  readonly sealer: Sealer
  /** State that belongs to the part to come. */
  next: Carrier | null
}

export function readInput(body: JsonObject, sealer: Sealer): Result<Conversation, Problem> {
  const { input } = body
  const reading: Reading = { system: [], turns: [], sealer, next: null }
  const instructions = stringOf(body['instructions'])
  // An empty string is how some clients say that there are none.
  if (instructions !== undefined && instructions !== '') {
    reading.system.push({ text: instructions, role: 'system' })
  }
  if (typeof input === 'string') {
    reading.turns.push({ role: 'user', parts: [{ kind: 'text', text: input }], of: 'message' })
  } else if (isArray(input)) {
    for (const [index, item] of input.entries()) {
      const fault = isObject(item) ? readItem(item, reading) : ''
      if (fault !== null) return invalid(`input[${index}]${fault}`)
    }
  } else if (input !== undefined && input !== null) return invalid('input')
  return ok({
    system: reading.system,
    turns: reading.turns.map(({ role, parts }) => ({ role, parts })),
  })
}

const invalid = (param: string): Result<never, Problem> =>
  err({ code: 'invalid_value', param, message: `'${param}' is not what the Responses API takes there.` })

/** @returns the path inside the item of what is wrong with it, or null. */
function readItem(item: JsonObject, reading: Reading): string | null {
  const type = stringOf(item['type']) ?? ('role' in item ? 'message' : 'item_reference')
  switch (type) {
    case 'message':
      return readMessage(item, reading)
    case 'reasoning':
      readReasoning(item, reading)
      return null
    case 'function_call':
    case 'custom_tool_call':
      return readCall(item, type, reading)
    case 'function_call_output':
    case 'custom_tool_call_output':
      return readResult(item, type, reading)
    default:
      readNative(item, type, reading)
      return null
  }
}

function readMessage(item: JsonObject, reading: Reading): string | null {
  const { role } = item
  const parts = readContent(item['content'])
  if (parts === null) return '.content'
  if (role === 'assistant') {
    const phase = stringOf(item['phase'])
    for (const part of parts) {
      if (part.kind === 'text' && part.text === '' && reading.next === null) continue
      say(part.kind === 'text' && phase !== undefined ? { ...part, phase } : part, reading)
    }
    return null
  }
  if (role !== 'user' && role !== 'system' && role !== 'developer') return '.role'
  const texts = parts.filter((part): part is TextPart => part.kind === 'text')
  if (role !== 'user' && reading.turns.length === 0 && texts.length === parts.length) {
    for (const { text, cache } of texts) {
      reading.system.push({ text, role, ...(cache === undefined ? {} : { cache }) })
    }
    return null
  }
  reading.turns.push({ role, parts: [...parts], of: 'message' })
  return null
}

/** Puts a part of the model's own into its turn, with the state that was waiting for it. */
function say(part: Part, reading: Reading): void {
  const carrier = reading.next
  const takes = part.kind === 'text' || part.kind === 'tool-call' || part.kind === 'reasoning'
  if (carrier !== null && takes) reading.next = null
  push(carrier !== null && takes ? { ...part, carrier: { ...carrier, of: 'own' } } : part, 'answer', reading)
}

function push(part: Part, of: 'answer' | 'results', reading: Reading): void {
  const last = reading.turns.at(-1)
  if (last?.of === of) last.parts.push(part)
  else reading.turns.push({ role: of === 'answer' ? 'assistant' : 'user', parts: [part], of })
}

function readReasoning(item: JsonObject, reading: Reading): void {
  const summary = textsOf(item['summary'])
  const thought = textsOf(item['content'])
  const carrier = carrierOf(item, reading.sealer)
  if (carrier?.of === 'next') reading.next = carrier
  else if (carrier?.of === 'previous') giveBack(carrier, reading)
  const own = carrier?.of === 'own' ? { carrier } : {}
  if (summary !== '') {
    say({ kind: 'reasoning', text: summary, isSummary: true, ...(thought === '' ? own : {}) }, reading)
  }
  if (thought !== '') say({ kind: 'reasoning', text: thought, isSummary: false, ...own }, reading)
  if (summary === '' && thought === '' && carrier?.of === 'own') {
    say({ kind: 'reasoning', text: '', isSummary: true, carrier }, reading)
  }
}

function carrierOf(item: JsonObject, sealer: Sealer): Carrier | null {
  const state = stringOf(item['encrypted_content']) ?? ''
  const id = stringOf(item['id'])
  if (state === '') return null
  return readCarrier(state, sealer, {
    dialect: NAME,
    form: 'encrypted',
    of: 'own',
    ...(id === undefined ? {} : { id }),
  })
}

/** State that was told after its part. */
function giveBack(carrier: Carrier, reading: Reading): void {
  const last = reading.turns.at(-1)
  const part = last?.of === 'answer' ? last.parts.at(-1) : undefined
  if (part?.kind !== 'text' && part?.kind !== 'tool-call') return
  last?.parts.splice(-1, 1, { ...part, carrier: { ...carrier, of: 'own' } })
}

function readCall(item: JsonObject, type: string, reading: Reading): string | null {
  // Calls out of a namespace or a program mean something only to the service.
  if (isThere(item['namespace']) || objectOf(item['caller'])['type'] === 'program') {
    readNative(item, type, reading)
    return null
  }
  const id = stringOf(item['call_id']) ?? stringOf(item['id'])
  const name = stringOf(item['name'])
  if (id === undefined) return '.call_id'
  if (name === undefined) return '.name'
  const isCustom = type === 'custom_tool_call'
  const said = item[isCustom ? 'input' : 'arguments']
  const args = typeof said === 'string' ? said : isThere(said) ? JSON.stringify(said) : ''
  say({ kind: 'tool-call', id, name, args, isCustom }, reading)
  return null
}

function readResult(item: JsonObject, type: string, reading: Reading): string | null {
  const callId = stringOf(item['call_id'])
  if (callId === undefined) return '.call_id'
  if (isThere(item['namespace'])) {
    readNative(item, type, reading)
    return null
  }
  const name = stringOf(item['name'])
  const result: ToolResultPart = {
    kind: 'tool-result',
    callId,
    ...(name === undefined ? {} : { name }),
    content: readResultContent(item['output']),
    isError: false,
    isCustom: type === 'custom_tool_call_output',
  }
  push(result, 'results', reading)
  return null
}

const isThere = (value: unknown): boolean => value !== undefined && value !== null

/** What the service's own tools said, and what the client answered them. */
function readNative(item: JsonObject, type: string, reading: Reading): void {
  const isAnswer = !type.endsWith('_output') && type !== 'mcp_approval_response'
  push({ kind: 'native', dialect: NAME, type, value: item }, isAnswer ? 'answer' : 'results', reading)
}
