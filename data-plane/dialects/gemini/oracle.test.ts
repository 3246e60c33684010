/**
 * The same scenario, recorded in every dialect: what another dialect's client sent, written for Gemini, is
 * what Gemini's own client sent.
 */
import { describe, expect, it } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { readContext } from '#test/conformance/contexts.ts'
import { hasRecordings, recordingsOf, type Recording } from '#test/conformance/recordings.ts'
import { anthropic } from '../anthropic.ts'
import { arrayOf, isObject, objectOf, parseJson, stringOf, type JsonObject } from '../canonical/json.ts'
import type { Dialect } from '../dialect.ts'
import { gemini } from '../gemini.ts'
import { openaiChat } from '../openai-chat.ts'
import { openaiResponses } from '../openai-responses.ts'
import { standardBase64 } from '../repair/media.ts'
import { camelled } from './terms.ts'

const OTHERS: readonly Dialect[] = [openaiChat, openaiResponses, anthropic]

/** `…/tool_choice_matrix-auto-openai.1` → `tool_choice_matrix-auto#1`. */
function scenarioOf({ id }: Recording): string | null {
  const found = /\/(\w+_matrix-.+)-([a-z0-9_]+)(?:\.(\d+))?$/.exec(id)
  return found === null ? null : `${found[1]}#${found[3] ?? '0'}`
}

const modelIn = (path: string): string => /models\/([^:]+):/.exec(path)?.[1] ?? ''

const expectations = new Map(
  recordingsOf('gemini').flatMap((one) => {
    const scenario = scenarioOf(one)
    return scenario === null ? [] : [[scenario, one] as const]
  }),
)

const pairs = OTHERS.flatMap((dialect) =>
  recordingsOf(dialect.name).flatMap((one) => {
    const expected = expectations.get(scenarioOf(one) ?? '')
    return expected === undefined ? [] : [[one.id, dialect, one, expected] as const]
  }),
)

/** Tools were called as told, or a file was asked for: all of the request must be the same. */
const whole = pairs.filter(
  ([id]) => id.includes('matrix-tool-choice') || /(\.0|-video-\w+|-anthropic)$/.test(id),
)

/** Gemini's model called wrongly first, so only what the tool gave back is the same. */
const documents = pairs.filter(
  ([id, { name }]) => id.includes('direct-binary-document') && id.endsWith('.1') && name !== 'openai-chat',
)

function written(dialect: Dialect, one: Recording, expected: Recording): JsonObject {
  const model = modelIn(expected.path)
  const read = dialect.readRequest(objectOf(one.request), readContext({ model }))
  if (!read.ok) throw new Error(JSON.stringify(read.error))
  const capabilities = { ...capabilitiesOf('gemini', 'x', model, {}), signedCalls: false }
  const target = { model, provider: 'google', capabilities, stream: false }
  const { body, losses } = gemini.writeRequest(read.value, target)
  expect(losses.filter(({ refuse }) => refuse)).toEqual([])
  return normal(objectOf(parseJson(body)))
}

describe.runIf(hasRecordings)('another dialect’s request', () => {
  it('has its like among Gemini’s', () => {
    expect([whole.length, documents.length]).toEqual([41, 2])
  })

  it.each(whole)('%s becomes Gemini’s', (id, dialect, one, expected) => {
    const ours = written(dialect, one, expected)
    const theirs = normal(objectOf(expected.request))
    if (!SUBSET_LOST.test(id)) {
      expect(ours).toEqual(theirs)
      return
    }
    const { tools, toolConfig, ...rest } = ours
    const { tools: all, toolConfig: config, ...others } = theirs
    expect(rest).toEqual(others)
    for (const tool of arrayOf(arrayOf(tools)[0])) expect(arrayOf(all)[0]).toContainEqual(tool)
    const modes = [toolConfig, config].map(
      (one_) => objectOf(objectOf(one_)['functionCallingConfig'])['mode'],
    )
    expect(modes).toEqual(['ANY', 'ANY'])
  })

  it.each(documents)('%s gives back the file as Gemini’s does', (_id, dialect, one) => {
    const last = recordingsOf('gemini').find(({ id }) =>
      id.endsWith('direct-binary-document-google_gemini3.2'),
    )
    if (last === undefined) throw new Error('no recording')
    const theirs = arrayOf(normal(objectOf(last.request))['contents']).at(-1)
    expect(arrayOf(written(dialect, one, last)['contents']).at(-1)).toEqual(theirs)
  })
})

/**
 * Clients that cannot say which tools may be called, and leave the others out (Mistral, Groq, Anthropic) or
 * allow them all (OpenAI's chat client): nobody can tell from the request what was meant.
 */
const SUBSET_LOST =
  /openai-chat.*(list_single-mistral|none_with_output-mistral|tools_plus)|anthropic.*tools_plus/

function normal(body: JsonObject): JsonObject {
  const { generationConfig: _, contents, tools, toolConfig, ...rest } = body
  const { mode } = objectOf(objectOf(toolConfig)['functionCallingConfig'])
  return {
    ...rest,
    contents: arrayOf(contents).map((content) => {
      const { role, parts } = objectOf(content)
      return { role, parts: arrayOf(parts).map((part) => normalPart(camelled(part))) }
    }),
    tools: arrayOf(tools).map((tool) => arrayOf(objectOf(tool)['functionDeclarations']).map(normalTool)),
    toolConfig: mode === 'AUTO' ? undefined : toolConfig,
  }
}

function normalPart(part: JsonObject): JsonObject {
  const { thoughtSignature: _, functionCall, functionResponse, ...rest } = part
  if (isObject(functionCall)) return { call: functionCall['name'], args: functionCall['args'] }
  if (!isObject(functionResponse)) return rest
  const { name, response, parts } = functionResponse
  const { return_value: plain, ...others } = objectOf(response)
  return {
    result: name,
    response: plain === undefined ? others : { output: plain },
    parts: arrayOf(parts).map((one) => {
      const { data, mimeType } = camelled(camelled(one)['inlineData'])
      return { mimeType, data: standardBase64(stringOf(data) ?? '') }
    }),
  }
}

function normalTool(tool: unknown): JsonObject {
  const { name, description, parametersJsonSchema } = camelled(tool)
  const { additionalProperties: _, title: __, ...schema } = objectOf(parametersJsonSchema)
  return { name, description: stringOf(description) ?? '', schema }
}
