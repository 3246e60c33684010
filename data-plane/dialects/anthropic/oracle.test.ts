/**
 * One scenario, recorded in every dialect: what we make of another dialect's request is what Anthropic was
 * really sent, but for what the recording client chose itself.
 */
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { openSealer } from '#test/arbitraries/canonical.ts'
import { hasRecordings, recordings, type Recording } from '#test/conformance/recordings.ts'
import { anthropic } from '../anthropic.ts'
import { arrayOf, objectOf, stringOf, type JsonObject, type JsonValue } from '../canonical/json.ts'
import type { CanonicalRequest, DialectName } from '../canonical/request.ts'
import type { Dialect } from '../dialect.ts'
import { gemini } from '../gemini.ts'
import { openaiChat } from '../openai-chat.ts'
import { openaiResponses } from '../openai-responses.ts'

const READERS: Readonly<Record<DialectName, Dialect>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  anthropic,
  gemini,
}

const MODEL = 'claude-sonnet-4-5'

/** `…-auto-openai_responses.0` and `…-auto-google.0` are the scenario `…-auto.0`. */
const scenarioOf = ({ id }: Recording): string =>
  id
    .replace(/^[^/]+\/[^/]+\//, '')
    .replace(/-(anthropic|openai_chat|openai_responses|openai|google_gemini3|google)(?=\.\d+$|$)/, '')

const matrix = recordings.filter(({ id, request }) => id.startsWith('matrix-') && request !== null)
const expected = new Map(
  matrix.filter(({ dialect }) => dialect === 'anthropic').map((one) => [scenarioOf(one), one.request ?? {}]),
)
/** Recordings that say something else than the scenario's recording for Anthropic, and what. */
const OTHERS: ReadonlyMap<string, string> = new Map([
  ['tool_choice_matrix-tools_plus_output-openai.0', 'the chat client also offered get_time'],
  ['tool_choice_matrix-tools_plus_output-openai.1', 'the chat client also offered get_time'],
  [
    'multimodal_tool_return_matrix-direct-binary-document-openai_chat.1',
    'chat holds no documents in results: the client said it in a turn of its own',
  ],
  [
    'multimodal_tool_return_matrix-direct-binary-document-google_gemini3.1',
    'the model called with arguments it was not offered, and was told so',
  ],
  [
    'multimodal_tool_return_matrix-direct-url-document-google_gemini3.1',
    'the model called with arguments it was not offered, and was told so',
  ],
])

const isOther = ({ id }: Recording): boolean => OTHERS.has(id.slice(id.lastIndexOf('/') + 1))

const pairs = matrix
  .filter((one) => one.dialect !== 'anthropic' && expected.has(scenarioOf(one)) && !isOther(one))
  .map((one) => ({ id: one.id, given: one, sent: expected.get(scenarioOf(one)) ?? {} }))

function read({ dialect, request, path }: Recording): CanonicalRequest {
  const body = request ?? {}
  const result = READERS[dialect].readRequest(body, {
    model: stringOf(body['model']) ?? path,
    stream: body['stream'] === true,
    headers: {},
    framing: 'sse',
    sealer: openSealer,
  })
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

function convert(recording: Recording): JsonObject {
  const capabilities = capabilitiesOf('anthropic', 'api.anthropic.com', MODEL, {})
  const written = anthropic.writeRequest(read(recording), {
    model: MODEL,
    provider: 'anthropic',
    capabilities,
    stream: false,
  })
  expect(written.losses.filter(({ refuse }) => refuse)).toEqual([])
  return JSON.parse(written.body) as JsonObject
}

/**
 * Left out: what each recording's model and client chose (the cap, ids, file names, what the assistant said
 * before it called). A missing description is an empty one, an automatic choice none.
 */
function normalised(body: JsonObject): unknown {
  const choice = objectOf(body['tool_choice'])
  return {
    ...(choice['type'] === 'auto' || choice['type'] === undefined ? {} : { tool_choice: choice }),
    tools: arrayOf(body['tools']).map((tool) => {
      const { description, input_schema: schema, name } = objectOf(tool)
      return { name, description: description ?? '', schema: plain(schema) }
    }),
    messages: arrayOf(body['messages']).map((message) => ({
      role: objectOf(message)['role'],
      content: arrayOf(objectOf(message)['content']).flatMap((value) =>
        objectOf(message)['role'] === 'assistant' && objectOf(value)['type'] === 'text' ? [] : block(value),
      ),
    })),
  }
}

/** An object without arguments is written in many ways. */
function plain(schema: JsonValue | undefined): unknown {
  const { properties, required, type } = objectOf(schema)
  return { type, properties: properties ?? {}, required: required ?? [] }
}

function block(value: JsonValue): unknown[] {
  const {
    id: _id,
    tool_use_id: _useId,
    is_error: _isError,
    title: _title,
    content,
    ...rest
  } = objectOf(value)
  if (rest['type'] !== 'tool_result') return [rest]
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : arrayOf(content)
  return [{ ...rest, content: blocks.flatMap(block) }]
}

describe.runIf(hasRecordings)('a recorded request of another dialect', () => {
  test.each(pairs)('$id becomes what Anthropic was sent', ({ given, sent }) => {
    expect(normalised(convert(given))).toEqual(normalised(sent))
  })
})
