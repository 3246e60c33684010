/**
 * The same scenarios as one client recorded them in every dialect: a request of dialect A, converted, must be
 * what that client itself sent in dialect B.
 */
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import {
  arrayOf,
  objectOf,
  parseJson,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '#data-plane/dialects/canonical/json.ts'
import type { Dialect } from '#data-plane/dialects/dialect.ts'
import { anthropic } from '#data-plane/dialects/anthropic.ts'
import { gemini } from '#data-plane/dialects/gemini.ts'
import { openaiChat } from '#data-plane/dialects/openai-chat.ts'
import { openaiResponses } from '#data-plane/dialects/openai-responses.ts'
import { readContext } from './contexts.ts'
import { hasRecordings, recordingsOf, type Recording } from './recordings.ts'

const SOURCES: readonly Dialect[] = [openaiChat, anthropic, gemini]

/** `…/tool_choice_matrix-auto-openai_responses.1` → `tool_choice-auto.1`. */
function scenarioOf({ id }: Recording): string {
  const [, matrixName = '', scenario = '', step = ''] =
    /([a-z_]+)_matrix-(.+)-[a-z0-9_]+(\.\d+)?$/.exec(id) ?? []
  return `${matrixName}-${scenario}${step}`
}

const matrix = (dialect: Dialect): readonly Recording[] =>
  recordingsOf(dialect.name).filter(({ id, request }) => id.startsWith('matrix-') && request !== null)

const expected = new Map(matrix(openaiResponses).map((recording) => [scenarioOf(recording), recording]))

/**
 * What the recording client itself does otherwise in chat: for other hosts it leaves out tools instead of
 * choosing among them, for OpenAI it asks for any tool instead of a subset, and results that hold media it
 * moves into a message of the user's, where they stay.
 */
const isOtherwise = (source: Dialect, { id, upstream }: Recording): boolean =>
  source === openaiChat &&
  (upstream !== 'api.openai.com' || id.includes('tools_plus_output') || /multimodal.*\.[1-9]$/.test(id))

const pairs = SOURCES.flatMap((source) =>
  matrix(source).flatMap((recording) => {
    const target = expected.get(scenarioOf(recording))
    if (target === undefined || isOtherwise(source, recording)) return []
    return [{ source, recording, target }]
  }),
)

function converted(source: Dialect, { request }: Recording, model: string): JsonObject {
  const read = source.readRequest(request ?? {}, readContext({ model }))
  if (!read.ok) throw new Error(JSON.stringify(read.error))
  const { body } = openaiResponses.writeRequest(read.value, {
    model,
    provider: 'p',
    stream: false,
    capabilities: capabilitiesOf('openai', 'api.openai.com', model, {}),
  })
  return objectOf(parseJson(body))
}

/** What the model called, in order: from a second step on two recordings may have gone different ways. */
const callsOf = (body: JsonObject): JsonValue =>
  arrayOf(body['input']).flatMap((item) => {
    const { type, name, arguments: args } = objectOf(item)
    return type === 'function_call' ? [{ name, args: parseJson(stringOf(args) ?? '') }] : []
  })

/** From a second step on, only those that went the same way can be compared. */
const alike = pairs.flatMap(({ source, recording, target }) => {
  const model = stringOf(target.request?.['model']) ?? ''
  const sent = converted(source, recording, model)
  const theirs = target.request ?? {}
  return JSON.stringify(callsOf(sent)) === JSON.stringify(callsOf(theirs))
    ? [[`${recording.id} as ${target.id}`, sent, theirs] as const]
    : []
})

describe.runIf(hasRecordings)('a scenario recorded in two dialects', () => {
  test.each(alike)('is the same request: %s', (_id, sent, theirs) => {
    expect(comparable(sent)).toEqual(comparable(theirs))
  })
})

/**
 * A body without what is the client library's own choice and no difference in meaning: how it writes a plain
 * message or a file's name, whether it names the defaults, how strict it makes schemas, ids of calls, what the
 * model said beside its calls, and reasoning, which goes back to nobody but its own vendor.
 */
function comparable(body: JsonObject): JsonValue {
  const { store: _store, stream: _stream, include: _include, tool_choice: choice, ...others } = body
  // Claude must be given a cap.
  const { max_output_tokens: _cap, ...rest } = others
  const ids = new Map<string, string>()
  const input = arrayOf(body['input']).flatMap((entry) => {
    const { id: _id, type, ...item } = objectOf(entry)
    if (type === 'reasoning' || item['role'] === 'assistant') return []
    const callId = stringOf(item['call_id'])
    if (callId !== undefined && !ids.has(callId)) ids.set(callId, `call ${ids.size}`)
    return [
      {
        ...item,
        ...(type === 'message' ? {} : { type }),
        ...(callId === undefined ? {} : { call_id: ids.get(callId) }),
        ...(type === 'function_call' ? { arguments: parseJson(stringOf(item['arguments']) ?? '') } : {}),
      },
    ]
  })
  const tools = arrayOf(body['tools']).map((tool) => {
    const { strict: _strict, name, description, parameters, ...named } = objectOf(tool)
    const { title: _title, additionalProperties: _open, ...schema } = objectOf(parameters)
    return { name, ...named, ...(description === null || description === '' ? {} : { description }), schema }
  })
  // Leaving out the tools that may not be called says the same as naming those that may.
  const allowed = objectOf(choice)['type'] === 'allowed_tools' ? arrayOf(objectOf(choice)['tools']) : null
  const names = allowed?.map((tool) => objectOf(tool)['name'])
  const usable = tools.filter((tool) => names?.includes(stringOf(tool.name)) !== false)
  const mode = allowed === null ? (choice ?? 'auto') : objectOf(choice)['mode']
  return JSON.parse(
    JSON.stringify({ ...rest, input, tools: usable, choice: mode }, (key, value: unknown) =>
      key === 'filename' ? undefined : value,
    ),
  ) as JsonValue
}
