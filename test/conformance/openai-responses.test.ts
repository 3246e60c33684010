/**
 * The Responses dialect on recorded traffic: nothing is lost on the way through the form in the middle, and
 * all that we write satisfies OpenAI's schemas.
 */
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import {
  objectOf,
  parseJson,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '#data-plane/dialects/canonical/json.ts'
import type { AnswerPart, CanonicalReply } from '#data-plane/dialects/canonical/reply.ts'
import { DIALECTS, type CanonicalRequest } from '#data-plane/dialects/canonical/request.ts'
import { openaiResponses } from '#data-plane/dialects/openai-responses.ts'
import { answerTarget, ASKED, origin, readContext } from './contexts.ts'
import { gather, readStream } from './gather.ts'
import { faultsOf, hasSchemas } from './openai-schema.ts'
import { eventsOf, hasRecordings, recordingsOf, type Recording } from './recordings.ts'

const recordings = recordingsOf('openai-responses')

/** A body of the chat API under a name of this one. */
const NOT_OURS = new Set(['streams-vercel-ai/openai-responses/azure-deepseek-reasoning.1.json'])

const answers = recordings.filter(
  ({ id, status, body }) => status === 200 && body !== null && !NOT_OURS.has(id),
)
const streams = recordings.filter(({ stream }) => stream !== null)
const asks = recordings.filter(({ request }) => request !== null)

function asked({ request }: Recording): CanonicalRequest {
  if (request === null) return { ...ASKED, dialect: 'openai-responses', params: { topLogprobs: 0 } }
  const result = openaiResponses.readRequest(request, readContext({ stream: request['stream'] === true }))
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

function sent(recording: Recording, dialect: CanonicalRequest['dialect']): JsonObject {
  const request = { ...asked(recording), dialect }
  const model = stringOf(recording.request?.['model']) ?? ''
  const { body } = openaiResponses.writeRequest(request, {
    model,
    provider: 'p',
    stream: request.stream,
    capabilities: capabilitiesOf('openai', recording.upstream, model, {}),
  })
  return objectOf(JSON.parse(body) as JsonValue)
}

function read(body: JsonObject): CanonicalReply {
  const result = openaiResponses.readReply(body, origin('p'))
  if (!result.ok) throw new Error(result.error)
  return result.value
}

const written = (reply: CanonicalReply, recording: Recording): JsonObject =>
  objectOf(JSON.parse(openaiResponses.writeReply(reply, answerTarget(asked(recording)))) as JsonValue)

function rewritten(recording: Recording): readonly JsonObject[] {
  const writer = openaiResponses.openWriter(answerTarget(asked(recording)))
  const events = readStream(openaiResponses.openReader(origin('p')), eventsOf(recording.stream ?? ''))
  const text = events.map((event) => writer.write(event)).join('') + writer.end()
  return eventsOf(text).map(({ data }) => objectOf(JSON.parse(data) as JsonValue))
}

/** All but ids of items, which are ours, and the empty texts of some models, which say nothing. */
const kept = (reply: CanonicalReply) => ({
  model: reply.model,
  usage: reply.usage === null ? null : { ...reply.usage, native: {} },
  candidates: reply.candidates.map((candidate) => ({
    ...candidate,
    parts: candidate.parts.filter((part) => part.kind !== 'text' || part.text !== '').map(withoutId),
  })),
})

const withoutId = (part: AnswerPart): AnswerPart =>
  'carrier' in part && part.carrier !== undefined ? { ...part, carrier: { ...part.carrier, id: '' } } : part

describe.runIf(hasRecordings)('recorded Responses traffic', () => {
  test.each(asks.map((recording) => [recording.id, recording] as const))(
    '%s is asked again',
    (_id, recording) => {
      expect(comparable(sent(recording, 'openai-responses'))).toEqual(comparable(recording.request ?? {}))
    },
  )

  test.each(answers.map((recording) => [recording.id, recording] as const))(
    '%s is answered again',
    (_id, recording) => {
      const reply = read(recording.body ?? {})
      expect(kept(read(written(reply, recording)))).toEqual(kept(reply))
    },
  )

  test.each(streams.map((recording) => [recording.id, recording] as const))(
    '%s is told again',
    (_id, recording) => {
      const events = eventsOf(recording.stream ?? '')
      const { reply, problem } = gather(
        readStream(openaiResponses.openReader(origin('p')), events),
        'openai-responses',
      )
      expect(problem).toBeNull()
      // Of two answers in one recording the first is told; a whole one at its end says less than its events.
      const again = gather(
        readStream(
          openaiResponses.openReader(origin('p')),
          rewritten(recording).map((event) => ({ event: '', data: JSON.stringify(event) })),
        ),
        'openai-responses',
      )
      expect(kept(again.reply)).toEqual(kept(reply))
      expect(again.problem).toBeNull()
    },
  )

  test.each(streams.map((recording) => [recording.id, recording] as const))(
    '%s is heard as its last event has it',
    (_id, recording) => {
      const events = eventsOf(recording.stream ?? '')
      const { reply } = gather(
        readStream(openaiResponses.openReader(origin('p')), events),
        'openai-responses',
      )
      const last = events.map(({ data }) => objectOf(parseJson(data))).find(isEnd)
      const whole = read(objectOf(last?.['response']))
      const texts = (parts: readonly AnswerPart[]) =>
        parts.flatMap((part) => ('text' in part ? [part.text] : []))
      const calls = (parts: readonly AnswerPart[]) => parts.filter(({ kind }) => kind === 'tool-call')
      const [heard, said] = [reply.candidates[0]?.parts ?? [], whole.candidates[0]?.parts ?? []]
      // Some servers leave reasoning out of their last event.
      expect(texts(heard).join('\n')).toContain(texts(said).join('\n'))
      expect(calls(heard)).toEqual(calls(said))
      expect(reply.usage).toEqual(whole.usage)
      expect(reply.candidates[0]?.finish).toEqual(whole.candidates[0]?.finish)
    },
  )
})

const isEnd = ({ type }: JsonObject): boolean =>
  type === 'response.completed' || type === 'response.incomplete'

/**
 * A request without what may be said in two ways: a text alone or in a list, defaults, ids of items, and the
 * state of reasoning, which we always ask for.
 */
function comparable(body: JsonObject): JsonValue {
  const { stream, instructions, include: _include, text, ...rest } = body
  const format = objectOf(objectOf(text)['format'])['type']
  const input = typeof body['input'] === 'string' ? [{ role: 'user', content: body['input'] }] : body['input']
  return JSON.parse(
    JSON.stringify(
      {
        ...rest,
        ...(stream === true ? { stream } : {}),
        ...(instructions === '' ? {} : { instructions }),
        ...(format === 'text' ? {} : { text }),
        input: (input as readonly JsonObject[]).flatMap((item) => comparableItem(item)),
      },
      // Null is the same as nothing to the service.
      (_key, value: unknown) => value ?? undefined,
    ),
  ) as JsonValue
}

function comparableItem(item: JsonObject): readonly JsonObject[] {
  const { id: _id, status: _status, type, ...rest } = item
  if (item['role'] === 'assistant' && item['content'] === '') return []
  if (type === 'message' || type === undefined) {
    const content = item['content']
    const texts = Array.isArray(content)
      ? content.map((part) => stringOf(objectOf(part)['text']))
      : [stringOf(content)]
    const isPlain = item['role'] === 'assistant'
    return [{ ...rest, ...(isPlain ? { content: texts.join('') } : {}) }]
  }
  return [{ ...rest, type }]
}

/** Items that the service's relatives made up; they pass as they came. */
const FOREIGN_ITEMS = /(shell|xai)-/

describe.runIf(hasRecordings && hasSchemas)("what we write by OpenAI's own schema", () => {
  test.each(
    asks.flatMap((recording) =>
      DIALECTS.filter((dialect) => dialect !== 'openai-responses').map(
        (dialect) => [recording.id, dialect, recording] as const,
      ),
    ),
  )('is a request: %s from %s', (_id, dialect, recording) => {
    expect(faultsOf('CreateResponse', sent(recording, dialect))).toEqual([])
  })

  test.each(
    answers
      .filter(({ id }) => !FOREIGN_ITEMS.test(id))
      .map((recording) => [recording.id, recording] as const),
  )('is a response: %s', (_id, recording) => {
    expect(faultsOf('Response', written(read(recording.body ?? {}), recording))).toEqual([])
  })

  test.each(streams.map((recording) => [recording.id, recording] as const))(
    'is a stream: %s',
    (_id, recording) => {
      for (const event of rewritten(recording)) {
        expect(faultsOf('ResponseStreamEvent', event), JSON.stringify(event)).toEqual([])
        expect(openResponsesFaults(event)).toEqual([])
      }
    },
  )
})

/** Members that the Open Responses rules want in every response, with null where they say so. */
const NEVER_NULL = [
  'id',
  'object',
  'created_at',
  'status',
  'model',
  'output',
  'tools',
  'tool_choice',
  'truncation',
  'parallel_tool_calls',
  'text',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
  'top_logprobs',
  'temperature',
  'store',
  'background',
  'service_tier',
  'metadata',
]
const MAYBE_NULL = [
  'completed_at',
  'incomplete_details',
  'previous_response_id',
  'instructions',
  'error',
  'reasoning',
  'usage',
  'max_output_tokens',
  'max_tool_calls',
  'safety_identifier',
  'prompt_cache_key',
]

function openResponsesFaults(event: JsonObject): readonly string[] {
  if (event['response'] === undefined) return []
  const response = objectOf(event['response'])
  return [
    ...NEVER_NULL.filter((member) => response[member] === undefined || response[member] === null),
    ...MAYBE_NULL.filter((member) => response[member] === undefined),
  ]
}
