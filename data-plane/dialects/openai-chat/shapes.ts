/**
 * Bodies of other shapes at the chat address: `input`, Gemini's `contents`, Claude's blocks.
 *
 * Pure. The conversation and whatever else is in another format's words is read by that format's reader; the
 * fields that are chat's are read as chat's and count where both say something. Such a body is answered as
 * chat, but never passes natively: no chat upstream would understand it.
 */
import type { Problem } from '#contracts/errors.ts'
import { ok, type Result } from '#contracts/result.ts'
import { readRequest as readAnthropic } from '../anthropic/read-request.ts'
import { arrayOf, isArray, isObject, objectOf, stringOf } from '../canonical/json.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import type { ReadContext } from '../dialect.ts'
import { readRequest as readGemini } from '../gemini/read-request.ts'
import { readRequest as readResponses } from '../openai-responses/read-request.ts'
import { isChatField, readChat } from './read-canonical.ts'

type Read = (body: JsonObject, context: ReadContext) => Result<CanonicalRequest, Problem>
type Shape = 'chat' | 'input' | 'contents' | 'claude'

export function readRequest(body: JsonObject, context: ReadContext): Result<CanonicalRequest, Problem> {
  switch (shapeOf(body)) {
    case 'chat':
      return readChat(body, context)
    case 'claude':
      return readMixed(body, {}, readAnthropic, context, CLAUDE_TOO)
    case 'contents':
      return readMixed(body, {}, readGemini, context)
    case 'input':
      return readInput(body, context)
  }
}

/** Head and tail of a body that are looked at before it is parsed, in bytes. */
const EDGE = 4 * 1024
const CLAUDE_MARK =
  /"(system|input_schema|anthropic_version|max_tokens_to_sample)"\s*:|"type"\s*:\s*"(image|document|tool_use|tool_result|thinking)"/

/**
 * Is it worth parsing to see whether it is of another shape? Tells by the edges, for every request asks.
 *
 * @param text the same as latin1 text, where it is small: all of it is looked at.
 */
export function mayBeForeign(body: Buffer, text: string | null): boolean {
  if (text !== null) return !text.includes('"messages"') || CLAUDE_MARK.test(text)
  if (!body.includes('"messages"')) return true
  if (CLAUDE_MARK.test(body.toString('latin1', 0, EDGE))) return true
  return body.length > EDGE && CLAUDE_MARK.test(body.toString('latin1', Math.max(EDGE, body.length - EDGE)))
}

export const isForeign = (body: JsonObject): boolean => shapeOf(body) !== 'chat'

function shapeOf(body: JsonObject): Shape {
  if (isArray(body['messages'])) return isClaude(body, body['messages']) ? 'claude' : 'chat'
  if (body['contents'] !== undefined) return 'contents'
  return body['input'] === undefined ? 'chat' : 'input'
}

const CLAUDE_FIELDS = ['system', 'anthropic_version', 'max_tokens_to_sample', 'stop_sequences']
/** Parts by which Claude's messages are known; chat's own parts of these names look otherwise. */
const CLAUDE_PARTS: ReadonlyMap<unknown, string> = new Map([
  ['tool_use', 'input'],
  ['tool_result', 'tool_use_id'],
  ['image', 'source'],
  ['document', 'source'],
  ['thinking', 'signature'],
  ['redacted_thinking', 'data'],
])

function isClaude(body: JsonObject, messages: readonly JsonValue[]): boolean {
  if (messages.some((message) => isChatOnly(objectOf(message)))) return false
  return (
    CLAUDE_FIELDS.some((field) => body[field] !== undefined) ||
    arrayOf(body['tools']).some((tool) => objectOf(tool)['input_schema'] !== undefined) ||
    messages.some((message) => arrayOf(objectOf(message)['content']).some(isClaudePart))
  )
}

const isChatOnly = ({ role, tool_calls: calls }: JsonObject): boolean =>
  calls !== undefined || role === 'tool' || role === 'function' || role === 'developer'

function isClaudePart(part: JsonValue): boolean {
  const { type, ...members } = objectOf(part)
  const member = CLAUDE_PARTS.get(type)
  return member !== undefined && members[member] !== undefined
}

/** Chat's fields that mean the same in Claude's own requests, or that it says in its own way. */
const CLAUDE_TOO: ReadonlySet<string> = new Set([
  'messages',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'metadata',
  'service_tier',
])

/**
 * @param conversation the other format's own fields, where the body holds them under another name.
 * @param shared fields that are left to the other format.
 */
function readMixed(
  body: JsonObject,
  conversation: JsonObject,
  readOther: Read,
  context: ReadContext,
  shared: ReadonlySet<string> = new Set(),
): Result<CanonicalRequest, Problem> {
  const theirs: Record<string, JsonValue | undefined> = { ...conversation }
  const ours: Record<string, JsonValue | undefined> = { messages: [] }
  for (const [field, value] of Object.entries(body)) {
    if (field === 'tools') {
      const tools = isObject(value) ? [value] : arrayOf(value)
      ours[field] = tools.filter(isChatTool)
      theirs[field] = tools.filter((tool) => !isChatTool(tool))
    } else if (field === 'tool_choice') {
      if (isChatChoice(value)) ours[field] = value
      else theirs[field] = value
    } else if (!isChatField(field) || shared.has(field)) theirs[field] ??= value
    else if (field !== 'messages') ours[field] = value
  }
  const other = readOther(theirs, context)
  if (!other.ok) return other
  const chat = readChat(ours, context)
  if (!chat.ok) return chat
  return ok(joined(other.value, chat.value, body))
}

const joined = (other: CanonicalRequest, chat: CanonicalRequest, source: JsonObject): CanonicalRequest => ({
  ...other,
  ...chat,
  dialect: other.dialect,
  system: other.system,
  turns: other.turns,
  tools: [...other.tools, ...chat.tools],
  params: { ...other.params, ...chat.params },
  extras: [...other.extras, ...chat.extras],
  telling: { ...chat.telling, reasoning: chat.telling.reasoning || other.reasoning !== undefined },
  source,
})

const isChatTool = (tool: JsonValue): boolean => objectOf(tool)['function'] !== undefined

function isChatChoice(choice: JsonValue | undefined): boolean {
  const { function: called, custom, type } = objectOf(choice)
  return (
    typeof choice === 'string' || called !== undefined || custom !== undefined || type === 'allowed_tools'
  )
}

/** Text, messages, Responses' items, or Gemini's contents or bare parts. */
function readInput(body: JsonObject, context: ReadContext): Result<CanonicalRequest, Problem> {
  const read = readItems(body, context)
  return read.ok ? ok({ ...read.value, source: body }) : read
}

function readItems(body: JsonObject, context: ReadContext): Result<CanonicalRequest, Problem> {
  const { input, ...rest } = body
  const items = (isArray(input) ? input : [input ?? '']).map((item) =>
    typeof item === 'string' ? { role: 'user', content: item } : objectOf(item),
  )
  if (items.some(isResponsesItem)) return readMixed(rest, { input: items }, readResponses, context)
  if (items.some(isGeminiItem)) return readMixed(rest, contentsOf(items), readGemini, context)
  const messages = items.map(({ role, content, ...message }) => ({
    role: role === 'model' ? 'assistant' : (role ?? 'user'),
    content: isArray(content) ? content.map(asTextPart) : (content ?? null),
    ...message,
  }))
  return readChat({ ...rest, messages }, context)
}

const asTextPart = (part: JsonValue): JsonValue =>
  typeof part === 'string'
    ? { type: 'text', text: part }
    : isObject(part) && part['type'] === undefined && typeof part['text'] === 'string'
      ? { type: 'text', ...part }
      : part

const RESPONSES_ITEMS = new Set([
  'message',
  'function_call',
  'function_call_output',
  'reasoning',
  'item_reference',
])

const isResponsesItem = ({ type, content }: JsonObject): boolean =>
  RESPONSES_ITEMS.has(stringOf(type) ?? '') ||
  arrayOf(content).some((part) => /^(input|output)_/.test(stringOf(objectOf(part)['type']) ?? ''))

const GEMINI_MEMBERS = [
  'inlineData',
  'inline_data',
  'fileData',
  'file_data',
  'functionCall',
  'function_call',
  'functionResponse',
  'function_response',
]

const isGeminiPart = (part: JsonValue): boolean => {
  const members = objectOf(part)
  return members['type'] === undefined && GEMINI_MEMBERS.some((name) => members[name] !== undefined)
}

const isBarePart = (item: JsonObject): boolean =>
  item['role'] === undefined && (typeof item['text'] === 'string' || isGeminiPart(item))

const isGeminiItem = (item: JsonObject): boolean =>
  item['parts'] !== undefined || isBarePart(item) || arrayOf(item['content']).some(isGeminiPart)

/** Gemini's turns; bare parts in a row are one turn, and system messages are the instruction. */
function contentsOf(items: readonly JsonObject[]): JsonObject {
  const contents: { role: string; parts: JsonValue[] }[] = []
  const instructions: JsonValue[] = []
  let isBare = false
  for (const item of items) {
    const last = contents.at(-1)
    const parts = isBarePart(item) ? [item] : partsOf(item['parts'] ?? item['content'])
    const role = stringOf(item['role']) ?? 'user'
    if (role === 'system' || role === 'developer') instructions.push(...parts)
    else if (isBarePart(item) && isBare && last !== undefined) last.parts.push(...parts)
    else contents.push({ role: role === 'assistant' ? 'model' : role, parts: [...parts] })
    isBare = isBarePart(item)
  }
  return { contents, ...(instructions.length === 0 ? {} : { systemInstruction: { parts: instructions } }) }
}

const partsOf = (value: JsonValue | undefined): readonly JsonValue[] =>
  typeof value === 'string' ? [{ text: value }] : isObject(value) ? [value] : arrayOf(value)
