/**
 * The same scenario was recorded in every dialect: what others say, written as chat, is what was said in chat.
 *
 * Left out of the comparison, because the recording client chose it and no format means it: ids of calls, names
 * of files, text before a call, descriptions that are empty, `strict` and how closed its schemas are, the output
 * cap, and a choice of `auto`, which is the default.
 */
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { anthropic } from '#data-plane/dialects/anthropic.ts'
import { arrayOf, isObject, objectOf, stringOf } from '#data-plane/dialects/canonical/json.ts'
import type { JsonObject, JsonValue } from '#data-plane/dialects/canonical/json.ts'
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'
import type { Dialect } from '#data-plane/dialects/dialect.ts'
import { gemini } from '#data-plane/dialects/gemini.ts'
import { openaiChat } from '#data-plane/dialects/openai-chat.ts'
import { openaiResponses } from '#data-plane/dialects/openai-responses.ts'
import { openSealer } from '../arbitraries/canonical.ts'
import { hasRecordings, recordings } from './recordings.ts'

const OTHERS: readonly Dialect[] = [anthropic, gemini, openaiResponses]
const CLIENT: Readonly<Record<DialectName, readonly [string, string]>> = {
  'openai-chat': ['openai', 'openai_chat'],
  'openai-responses': ['openai_responses', 'openai_responses'],
  anthropic: ['anthropic', 'anthropic'],
  gemini: ['google', 'google_gemini3'],
}

/** Scenario → the step of it in each dialect; models took their own ways to the same end. */
type Scenario = readonly [string, Readonly<Record<DialectName, string>> | string]
const TOOL_CHOICES: readonly Scenario[] = [
  ['auto', '.0'],
  ['auto', '.1'],
  ['list_single', ''],
  ['none_with_output', ''],
  ['tools_plus_output', '.0'],
  ['tools_plus_output', '.1'],
]
const MULTIMODAL: readonly Scenario[] = [
  ['direct-binary-document', '.0'],
  [
    'direct-binary-document',
    { 'openai-chat': '.1', 'openai-responses': '.1', anthropic: '.1', gemini: '.2' },
  ],
  ['direct-binary-image', '.0'],
  ['direct-url-document', '.0'],
  // Gemini's client fetched the document, as chat's did; the others sent its address, which chat cannot say.
  ['direct-url-document', { 'openai-chat': '.2', 'openai-responses': '-', anthropic: '-', gemini: '.3' }],
  [
    'tool_return_content-url-audio',
    { 'openai-chat': '.0', 'openai-responses': '.0', anthropic: '', gemini: '.0' },
  ],
]

function bodyOf(
  matrix: 'tool-choice' | 'multimodal',
  dialect: DialectName,
  [name, steps]: Scenario,
): JsonObject | null {
  const isChoice = matrix === 'tool-choice'
  const client = CLIENT[dialect][isChoice ? 0 : 1]
  const prefix = isChoice ? 'tool_choice_matrix' : 'multimodal_tool_return_matrix'
  const step = typeof steps === 'string' ? steps : steps[dialect]
  const id = `matrix-${matrix}/${dialect}/${prefix}-${name}-${client}${step}`
  return recordings.find((recording) => recording.id === id)?.request ?? null
}

function asChat(other: Dialect, body: JsonObject): JsonObject {
  const context = { model: 'm', stream: false, headers: {}, framing: 'sse', sealer: openSealer } as const
  const read = other.readRequest(body, context)
  if (!read.ok) throw new Error(read.error.message)
  const capabilities = capabilitiesOf('openai', 'api.openai.com', 'gpt-5-mini', {})
  const written = openaiChat.writeRequest(read.value, {
    model: 'gpt-5-mini',
    provider: 'p',
    stream: false,
    capabilities,
  })
  expect(written.losses.filter(({ refuse }) => refuse)).toEqual([])
  return objectOf(JSON.parse(written.body))
}

/** @param chosen tools that are sent: Claude is given only those it may choose from. */
function essence(body: JsonObject, chosen: ReadonlySet<unknown>): unknown {
  const messages = arrayOf(body['messages']).map((message) => essenceOfMessage(objectOf(message)))
  const last = messages.findLastIndex(({ role }) => role === 'assistant')
  return {
    model: body['model'],
    tools: arrayOf(body['tools'])
      .map((tool) => essenceOfTool(objectOf(tool)))
      .filter(({ name }) => chosen.has(name)),
    choice: essenceOfChoice(body['tool_choice']),
    asked: messages[0],
    // Before it stand each model's own missteps.
    last: last === -1 ? [] : messages.slice(last),
  }
}

function essenceOfMessage({ role, content, tool_calls: calls }: JsonObject): JsonObject {
  if (role !== 'assistant') return { role, content: withoutNames(content) }
  return { role, calls: arrayOf(calls).map((call) => objectOf(objectOf(call)['function'])) }
}

function withoutNames(content: JsonValue | undefined): JsonValue {
  if (typeof content === 'string') return content.replace(/\b(this is|see) file \w+/i, '$1 file X')
  return arrayOf(content).map((piece) => {
    const { filename: _filename, ...file } = objectOf(objectOf(piece)['file'])
    const text = objectOf(piece)['text']
    return typeof text === 'string'
      ? { type: 'text', text: withoutNames(text) }
      : { ...objectOf(piece), file }
  })
}

function essenceOfTool(tool: JsonObject): JsonObject {
  const { name, description, parameters } = objectOf(tool['function'])
  const { additionalProperties: _closed, title: _title, ...schema } = objectOf(parameters)
  return { name, description: stringOf(description) ?? '', schema }
}

const essenceOfChoice = (choice: JsonValue | undefined): JsonValue =>
  isObject(choice) && choice['type'] === 'allowed_tools'
    ? (objectOf(choice['allowed_tools'])['mode'] ?? null)
    : (choice ?? 'auto')

describe.runIf(hasRecordings).each([
  ['tool-choice', TOOL_CHOICES],
  ['multimodal', MULTIMODAL],
] as const)('the matrix of %s', (matrix, scenarios) => {
  describe.each(OTHERS)('from $name to chat', (other) => {
    test.each(scenarios)('%s %j', (...scenario) => {
      const body = bodyOf(matrix, other.name, scenario)
      const expected = bodyOf(matrix, 'openai-chat', scenario)
      const isComparable = typeof scenario[1] === 'string' || scenario[1][other.name] !== '-'
      if (!isComparable) {
        expect(body).toBeNull()
        return
      }
      if (body === null || expected === null) throw new Error('not recorded')
      const written = asChat(other, body)
      const chosen = new Set(
        arrayOf(written['tools']).map((tool) => objectOf(objectOf(tool)['function'])['name']),
      )
      expect(essence(written, chosen)).toEqual(essence(expected, chosen))
    })
  })
})
