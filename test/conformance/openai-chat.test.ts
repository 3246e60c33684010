/**
 * Recorded chat traffic, read and written back: nothing that was said may be lost.
 */
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { arrayOf, objectOf, stringOf, type JsonObject } from '#data-plane/dialects/canonical/json.ts'
import type { AnswerTarget, ReadContext } from '#data-plane/dialects/dialect.ts'
import { openaiChat } from '#data-plane/dialects/openai-chat.ts'
import { openSealer } from '../arbitraries/canonical.ts'
import { eventsOf, hasRecordings, recordingsOf } from './recordings.ts'

const ORIGIN = { provider: 'p', toolNames: new Map<string, string>() }
const recorded = recordingsOf('openai-chat')

const contextOf = (body: JsonObject): ReadContext => ({
  model: stringOf(body['model']) ?? 'm',
  stream: body['stream'] === true,
  headers: {},
  framing: 'sse',
  sealer: openSealer,
})

function answerTo(body: JsonObject): AnswerTarget {
  const request = openaiChat.readRequest({ messages: [], ...body }, contextOf(body))
  if (!request.ok) throw new Error(request.error.message)
  return { request: request.value, newId: () => 'new', now: 1, sealer: openSealer, requestId: 'r' }
}

/** Members with a value; OpenAI's SDKs and hosts differ in whether they say null. */
const said = (value: JsonObject, ...names: readonly string[]): JsonObject =>
  Object.fromEntries(
    names.flatMap((name) => (value[name] === undefined || value[name] === null ? [] : [[name, value[name]]])),
  )

/** Instructions are called as the model calls them, and one text is a text: neither says anything. */
function message(given: unknown): JsonObject {
  const value = { ...objectOf(given) }
  if (value['role'] === 'developer') value['role'] = 'system'
  const [only, ...others] = arrayOf(value['content'])
  const isOneText = others.length === 0 && objectOf(only)['type'] === 'text'
  const isNone = Array.isArray(value['content']) && only === undefined
  const content = isOneText ? objectOf(only)['text'] : isNone ? null : value['content']
  const calls = arrayOf(value['tool_calls']).map((call) => {
    const { id, function: called } = objectOf(call)
    return { id, function: called }
  })
  const own = said({ ...value, content }, 'role', 'content', 'refusal', 'tool_call_id', 'name')
  const thought = stringOf(value['reasoning_content']) ?? ''
  return {
    ...own,
    ...(thought === '' ? {} : { reasoning_content: thought }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  }
}

const PARAMS = [
  'temperature',
  'top_p',
  'response_format',
  'tool_choice',
  'parallel_tool_calls',
  'web_search_options',
  'service_tier',
  'reasoning_effort',
]

describe.runIf(hasRecordings)('a recorded chat request', () => {
  const asked = recorded.filter(({ request, status }) => request !== null && status === 200)

  test.each(asked)('$id is written back as it was', ({ request, upstream }) => {
    const body = request ?? {}
    const read = openaiChat.readRequest(body, contextOf(body))
    if (!read.ok) throw new Error(read.error.message)
    const model = stringOf(body['model']) ?? ''
    const capabilities = capabilitiesOf('openai', upstream, model, {})
    const target = { model, provider: 'p', capabilities, stream: body['stream'] === true }
    const written = openaiChat.writeRequest(read.value, target)
    const again = objectOf(JSON.parse(written.body))
    expect(arrayOf(again['messages']).map(message)).toEqual(arrayOf(body['messages']).map(message))
    const words = { ...body, tool_choice: body['tool_choice'] === 'any' ? 'required' : body['tool_choice'] }
    // What is the default anyway is not said to models that refuse to hear of it.
    const isDefault = body['temperature'] === 1 && !capabilities.sampling
    expect(said(again, ...PARAMS)).toEqual(
      said(isDefault ? { ...words, temperature: null } : words, ...PARAMS),
    )
    expect(arrayOf(again['tools'])).toEqual(
      arrayOf(body['tools']).map((tool) => ({ type: 'function', ...objectOf(tool) })),
    )
    expect(written.losses.filter(({ refuse }) => refuse)).toEqual([])
  })
})

describe.runIf(hasRecordings)('a recorded chat answer', () => {
  const answers = recorded.filter(
    ({ body, status }) => status === 200 && body !== null && body['error'] === undefined,
  )

  test.each(answers)('$id is written back as it was', ({ body, request }) => {
    const given = body ?? {}
    const read = openaiChat.readReply(given, ORIGIN)
    if (!read.ok) throw new Error(read.error)
    const again = objectOf(JSON.parse(openaiChat.writeReply(read.value, answerTo(request ?? {}))))
    const choices = arrayOf(given['choices']).map(objectOf)
    expect(arrayOf(again['choices']).map((choice) => answerOf(objectOf(choice)))).toEqual(
      choices.map(answerOf),
    )
    const counts = objectOf(given['usage'])
    expect(again['usage']).toMatchObject({
      prompt_tokens: counts['prompt_tokens'],
      total_tokens: counts['total_tokens'],
    })
    expect(said(again, 'id', 'model', 'created', 'service_tier')).toEqual(
      said({ ...given, id: chatId(given) }, 'id', 'model', 'created', 'service_tier'),
    )
  })

  const chatId = (given: JsonObject): string => stringOf(given['id']) ?? ''

  /** Azure's filter leaves the message out; Mistral's content is a list. */
  function answerOf(choice: JsonObject): unknown {
    const told = objectOf(choice['message'])
    const pieces = arrayOf(told['content']).map(objectOf)
    const text =
      typeof told['content'] === 'string'
        ? told['content']
        : pieces.map((piece) => stringOf(piece['text']) ?? '').join('')
    return {
      finish: choice['finish_reason'],
      text,
      reasoning: told['reasoning_content'] ?? told['reasoning'] ?? '',
      refusal: told['refusal'] ?? null,
      calls: arrayOf(told['tool_calls']).map((call) => said(objectOf(call), 'id', 'function')),
      annotations: told['annotations'] ?? [],
      logprobs: choice['logprobs'] ?? null,
    }
  }
})

describe.runIf(hasRecordings)('a recorded chat stream', () => {
  const streams = recorded.filter(({ stream }) => stream !== null)
  const told = (frames: string) => summary(eventsOf(frames).map(({ data }) => data))

  test.each(streams)('$id says the same when it is written again', ({ stream, request }) => {
    const reader = openaiChat.openReader(ORIGIN)
    const asked = { ...request, stream_options: { include_usage: true } }
    const writer = openaiChat.openWriter(answerTo(asked))
    let frames = ''
    for (const event of eventsOf(stream ?? ''))
      for (const heard of reader.push(event)) frames += writer.write(heard)
    for (const event of reader.end()) frames += writer.write(event)
    frames += writer.end()
    expect(told(frames)).toEqual(told(stream ?? ''))
  })

  /** What a client hears, by plain addition. */
  function summary(payloads: readonly string[]): unknown {
    let text = ''
    let reasoning = ''
    let finish: unknown = null
    let total: unknown = null
    let error: unknown = null
    const calls = new Map<unknown, { id: unknown; name: string; args: string }>()
    for (const payload of payloads) {
      if (payload === '[DONE]') continue
      const chunk = objectOf(JSON.parse(payload))
      error ??= objectOf(chunk['error'])['message'] ?? null
      if (error !== null) continue
      total = objectOf(chunk['usage'])['total_tokens'] ?? total
      const choice = objectOf(arrayOf(chunk['choices'])[0])
      finish = choice['finish_reason'] ?? finish
      const delta = objectOf(choice['delta'])
      if (typeof delta['content'] === 'string') text += delta['content']
      for (const piece of arrayOf(delta['content'])) {
        if (typeof piece === 'string') continue
        const part = objectOf(piece)
        text += stringOf(part['text']) ?? ''
        for (const thought of arrayOf(part['thinking']))
          reasoning += stringOf(objectOf(thought)['text']) ?? ''
      }
      reasoning += stringOf(delta['reasoning_content']) ?? stringOf(delta['reasoning']) ?? ''
      for (const piece of arrayOf(delta['tool_calls'])) {
        const { index, id, function: called } = objectOf(piece)
        const call = calls.get(index) ?? { id, name: '', args: '' }
        call.name += stringOf(objectOf(called)['name']) ?? ''
        call.args += stringOf(objectOf(called)['arguments']) ?? ''
        calls.set(index, call)
      }
    }
    return {
      text,
      reasoning,
      finish: error === null ? finish : null,
      total,
      error,
      calls: [...calls.values()],
    }
  }
})
