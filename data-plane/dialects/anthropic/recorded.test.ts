/** What Anthropic's clients and servers really said, through the middle and back. */
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { openSealer } from '#test/arbitraries/canonical.ts'
import { assembled, defectsOf } from '#test/conformance/anthropic-stream.ts'
import { eventsOf, hasRecordings, recordingsOf, type Recording } from '#test/conformance/recordings.ts'
import { anthropic } from '../anthropic.ts'
import {
  arrayOf,
  isArray,
  isObject,
  objectOf,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '../canonical/json.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import type { StreamEvent } from '../canonical/stream.ts'
import type { AnswerTarget } from '../dialect.ts'

const recorded = recordingsOf('anthropic')
const origin = { provider: 'anthropic', toolNames: new Map<string, string>() }

function readRequest(body: JsonObject): CanonicalRequest {
  const request = anthropic.readRequest(body, {
    model: stringOf(body['model']) ?? '',
    stream: body['stream'] === true,
    headers: {},
    framing: 'sse',
    sealer: openSealer,
  })
  if (!request.ok) throw new Error(JSON.stringify(request.error))
  return request.value
}

const blocksOf = (content: JsonValue | undefined): readonly JsonValue[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : arrayOf(content)

/** The same request in one way of writing: blocks instead of texts, defaults left out. */
function normalised(body: JsonObject): unknown {
  const { stream, system, messages, ...rest } = body
  return {
    ...rest,
    ...(stream === true ? { stream } : {}),
    ...(system === undefined ? {} : { system: blocksOf(system) }),
    messages: arrayOf(messages).map((message) => {
      const { content, ...others } = objectOf(message)
      return { ...others, content: blocksOf(content).map(normalisedBlock) }
    }),
  }
}

function normalisedBlock(block: JsonValue): unknown {
  const { is_error: isError, content, ...rest } = objectOf(block)
  if (rest['type'] !== 'tool_result') return block
  return { ...rest, ...(isError === true ? { is_error: true } : {}), content: blocksOf(content) }
}

const requests = recorded.flatMap((one) => (one.request === null ? [] : [{ ...one, request: one.request }]))

describe.runIf(hasRecordings)('recorded requests', () => {
  test.each(requests)('$id is written as it was read', ({ request }) => {
    const model = stringOf(request['model']) ?? ''
    const written = anthropic.writeRequest(readRequest(request), {
      model,
      provider: 'anthropic',
      capabilities: capabilitiesOf('anthropic', 'api.anthropic.com', model, {}),
      stream: request['stream'] === true,
    })
    expect(normalised(JSON.parse(written.body) as JsonObject)).toEqual(normalised(expectedOf(request)))
    expect(written.losses.filter(({ reason }) => reason !== 'unsupported')).toEqual(lossesOf(request))
  })
})

/** Opus 4.6 knows no `xhigh`: recorded to show the refusal that we spare the client. */
const isTooEager = (request: JsonObject): boolean =>
  request['model'] === 'claude-opus-4-6' && objectOf(request['output_config'])['effort'] === 'xhigh'

function expectedOf(request: JsonObject): JsonObject {
  return isTooEager(request)
    ? { ...request, output_config: { effort: 'high' }, thinking: { type: 'adaptive' } }
    : request
}

const lossesOf = (request: JsonObject): unknown[] =>
  isTooEager(request) ? [{ at: 'reasoning.effort', reason: 'degraded', refuse: false }] : []

const target = (request: CanonicalRequest): AnswerTarget => ({
  request,
  newId: () => 'new',
  now: 1_790_000_000,
  sealer: openSealer,
  requestId: 'req_1',
})

const asked = readRequest({ model: 'claude', max_tokens: 10, messages: [] })

/** An answer without what never says anything: nulls, empty texts, callers that are the model itself. */
function essence(message: JsonObject): unknown {
  const usage = objectOf(message['usage'])
  return {
    id: message['id'],
    model: message['model'],
    content: arrayOf(message['content']).flatMap((block) => {
      const { citations, caller, ...rest } = objectOf(block)
      if (rest['type'] === 'text' && rest['text'] === '') return []
      const isDirect = objectOf(caller)['type'] === 'direct' || rest['type'] === 'tool_use'
      return [
        {
          ...rest,
          ...(isArray(citations) ? { citations } : {}),
          ...(caller === undefined || isDirect ? {} : { caller }),
        },
      ]
    }),
    stop_reason: message['stop_reason'],
    stop_sequence: message['stop_sequence'] ?? null,
    stop_details: message['stop_details'] ?? null,
    usage: {
      input_tokens: usage['input_tokens'],
      output_tokens: usage['output_tokens'],
      cache_read: usage['cache_read_input_tokens'] ?? 0,
      cache_write: usage['cache_creation_input_tokens'] ?? 0,
      thinking: objectOf(usage['output_tokens_details'])['thinking_tokens'] ?? 0,
    },
  }
}

const bodies = recorded.flatMap(({ id, body, status }) =>
  body === null || status !== 200 ? [] : [{ id, body }],
)

describe.runIf(hasRecordings)('recorded answers', () => {
  test.each(bodies)('$id is written as it was read', ({ body }) => {
    const reply = anthropic.readReply(body, origin)
    if (!reply.ok) throw new Error(reply.error)
    expect(essence(JSON.parse(anthropic.writeReply(reply.value, target(asked))) as JsonObject)).toEqual(
      essence(body),
    )
  })
})

/** Some files hold the streams of several turns, one after the other. */
const streams = recorded.flatMap(({ id, stream }) =>
  (stream?.split(/(?<="message_stop" *\}\s+)/) ?? []).map((turn, index) => ({
    id: `${id}#${index}`,
    stream: turn,
  })),
)

/** Two answers in one, the second begun in the middle of the first. */
const SPLICED = 'streams-vercel-ai/anthropic/anthropic-spliced-message-start.chunks.txt#0'

function through(stream: string): { written: string; events: StreamEvent[] } {
  const reader = anthropic.openReader(origin)
  const events = eventsOf(stream).flatMap((event) => [...reader.push(event)])
  events.push(...reader.end())
  const writer = anthropic.openWriter(target(asked))
  return { written: events.map((event) => writer.write(event)).join('') + writer.end(), events }
}

describe.runIf(hasRecordings)('recorded streams', () => {
  test.each(streams.filter(({ id }) => id !== SPLICED))('$id is written as it was read', ({ stream }) => {
    const { written, events } = through(stream)
    const error = eventsOf(stream).find(({ event }) => event === 'error')
    if (error === undefined && stream.includes('"message_stop"')) {
      expect(essence(assembled(written))).toEqual(essence(assembled(stream)))
      expect(defectsOf(written)).toEqual([])
    } else {
      expect(events.at(-1)?.kind).toBe('error')
      expect(written).toContain('event: error\n')
    }
  })

  test('two answers spliced into one end in an error', () => {
    const spliced = streams.find(({ id }) => id === SPLICED)
    if (spliced === undefined) return
    const { written } = through(spliced.stream)
    expect(written).toContain('event: error\n')
    expect(written).not.toContain('message_stop')
  })
})

const isErrorBody = ({ body, status }: Recording): boolean => status !== 200 && isObject(body)

test.runIf(hasRecordings)('recorded errors are of the shape that we write', () => {
  for (const { body, status } of recorded.filter(isErrorBody)) {
    const error = objectOf(objectOf(body)['error'])
    const message = stringOf(error['message']) ?? ''
    const written = anthropic.writeError({ code: 'invalid_value', status, message }, 'req_1')
    expect(JSON.parse(written.body)).toMatchObject({ type: 'error', error: { type: error['type'], message } })
  }
})
