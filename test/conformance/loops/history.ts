/**
 * What an upstream was sent, as a list of what was said, alike for all dialects: so that one expectation holds
 * for each of them.
 */
import {
  arrayOf,
  objectOf,
  parseJson,
  stringOf,
  type JsonObject,
} from '#data-plane/dialects/canonical/json.ts'
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'

/** `user: …`, `state: …`, `call: name {…}`, `result of {…}: {…}`, `text: …`, in their order. */
export type History = readonly string[]

export function historyOf(dialect: DialectName, body: JsonObject): History {
  const told: string[] = []
  const calls = new Map<string, string>()
  const tell: Tell = {
    say: (line) => void told.push(line),
    call: (id, name, args) => {
      calls.set(id, args)
      told.push(`call: ${name} ${args}`)
    },
    result: (id, result) =>
      void told.push(
        `result of ${calls.get(id) ?? `unknown ${id}`}: ${JSON.stringify(bare(parseJson(result)))}`,
      ),
  }
  READERS[dialect](body, tell)
  return told
}

type Tell = Readonly<{
  say: (line: string) => void
  call: (id: string, name: string, args: string) => void
  result: (id: string, result: string) => void
}>

const textOf = (value: unknown): string => stringOf(value) ?? ''
/** The AI SDK's provider for Google puts a result into an envelope of its own. */
const bare = (result: unknown): unknown => {
  const { name, content } = objectOf(result)
  return name === 'get_weather' ? content : result
}
/** White space and nothing else may differ. */
const compact = (text: string): string => {
  const value = parseJson(text)
  return value === undefined ? text : JSON.stringify(value)
}

/** A text alone or as the only part of a list. */
const plain = (content: unknown): string =>
  stringOf(content) ??
  arrayOf(content)
    .map((part) => textOf(objectOf(part)['text']))
    .join('')

function readChat(body: JsonObject, tell: Tell): void {
  for (const one of arrayOf(body['messages']).map(objectOf)) {
    if (one['role'] === 'tool') tell.result(textOf(one['tool_call_id']), compact(plain(one['content'])))
    if (one['role'] === 'user') tell.say(`user: ${plain(one['content'])}`)
    if (one['role'] !== 'assistant') continue
    for (const detail of arrayOf(one['reasoning_details']).map(objectOf))
      if (detail['type'] === 'reasoning.encrypted') tell.say(`state: ${textOf(detail['data'])}`)
    if (plain(one['content']) !== '') tell.say(`text: ${plain(one['content'])}`)
    for (const call of arrayOf(one['tool_calls']).map(objectOf)) {
      const called = objectOf(call['function'])
      tell.call(textOf(call['id']), textOf(called['name']), compact(textOf(called['arguments'])))
    }
  }
}

function readResponses(body: JsonObject, tell: Tell): void {
  const { input } = body
  if (typeof input === 'string') tell.say(`user: ${input}`)
  for (const item of arrayOf(input).map(objectOf)) {
    switch (item['type'] ?? 'message') {
      case 'message':
        tell.say(`${item['role'] === 'assistant' ? 'text' : 'user'}: ${plain(item['content'])}`)
        break
      case 'reasoning':
        tell.say(`state: ${textOf(item['encrypted_content'])}`)
        break
      case 'function_call':
        tell.call(textOf(item['call_id']), textOf(item['name']), compact(textOf(item['arguments'])))
        break
      case 'function_call_output':
        tell.result(textOf(item['call_id']), compact(plain(item['output'])))
        break
      default:
        tell.say(`unknown: ${JSON.stringify(item)}`)
    }
  }
}

function readMessages(body: JsonObject, tell: Tell): void {
  for (const { role, content } of arrayOf(body['messages']).map(objectOf)) {
    const blocks =
      typeof content === 'string' ? [{ type: 'text', text: content }] : arrayOf(content).map(objectOf)
    for (const block of blocks as readonly JsonObject[]) {
      if (block['type'] === 'text') tell.say(`${role === 'user' ? 'user' : 'text'}: ${textOf(block['text'])}`)
      else if (block['type'] === 'thinking') tell.say(`state: ${textOf(block['signature'])}`)
      else if (block['type'] === 'tool_use')
        tell.call(textOf(block['id']), textOf(block['name']), JSON.stringify(block['input']))
      else if (block['type'] === 'tool_result')
        tell.result(textOf(block['tool_use_id']), compact(plain(block['content'])))
      else tell.say(`unknown: ${JSON.stringify(block)}`)
    }
  }
}

/** Calls without ids are told apart by their order. */
function readGemini(body: JsonObject, tell: Tell): void {
  let asked = 0
  let answered = 0
  for (const { role, parts } of arrayOf(body['contents']).map(objectOf)) {
    for (const part of arrayOf(parts).map(objectOf)) {
      const { functionCall, functionResponse, thoughtSignature } = part
      if (thoughtSignature !== undefined) tell.say(`state: ${textOf(thoughtSignature)}`)
      if (functionCall !== undefined) {
        const { id, name, args } = objectOf(functionCall)
        tell.call(stringOf(id) ?? `${asked++}`, textOf(name), JSON.stringify(args))
      } else if (functionResponse !== undefined) {
        const { id, response } = objectOf(functionResponse)
        tell.result(stringOf(id) ?? `${answered++}`, JSON.stringify(response))
      } else if (part['thought'] !== true && textOf(part['text']) !== '')
        tell.say(`${role === 'model' ? 'text' : 'user'}: ${textOf(part['text'])}`)
    }
  }
}

const READERS: Readonly<Record<DialectName, (body: JsonObject, tell: Tell) => void>> = {
  'openai-chat': readChat,
  'openai-responses': readResponses,
  anthropic: readMessages,
  gemini: readGemini,
}
