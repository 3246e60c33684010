/**
 * Whatever was recorded in another dialect, told in OpenAI's two: by OpenAI's own schemas, by the Open Responses
 * rules, and by the official SDK, which rebuilds every answer from its stream.
 */
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream'
import { ResponseStream } from 'openai/lib/responses/ResponseStream'
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { anthropic } from '#data-plane/dialects/anthropic.ts'
import { objectOf, parseJson, type JsonObject } from '#data-plane/dialects/canonical/json.ts'
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'
import type { Dialect } from '#data-plane/dialects/dialect.ts'
import { gemini } from '#data-plane/dialects/gemini.ts'
import { openaiChat } from '#data-plane/dialects/openai-chat.ts'
import { openaiResponses } from '#data-plane/dialects/openai-responses.ts'
import { answerTarget, ASKED, origin, readContext } from './contexts.ts'
import { faultsOf, hasSchemas } from './openai-schema.ts'
import { eventsOf, hasRecordings, recordings, type Recording } from './recordings.ts'
import { linesOf } from './responses-stream.ts'

const READERS: Readonly<Record<DialectName, Dialect>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  anthropic,
  gemini,
}

type Writer = Readonly<{
  dialect: Dialect
  request: string
  answer: string
  event: string
  rebuild: (frames: readonly string[]) => Promise<unknown>
}>

const WRITERS: readonly Writer[] = [
  {
    dialect: openaiResponses,
    request: 'CreateResponse',
    answer: 'Response',
    event: 'ResponseStreamEvent',
    rebuild: async (frames) => await ResponseStream.fromReadableStream(linesOf(frames)).finalResponse(),
  },
  {
    dialect: openaiChat,
    request: 'CreateChatCompletionRequest',
    answer: 'CreateChatCompletionResponse',
    event: 'CreateChatCompletionStreamResponse',
    rebuild: async (frames) =>
      await ChatCompletionStream.fromReadableStream(linesOf(frames)).finalChatCompletion(),
  },
]

const MODEL = 'gpt-5.6'

/** @returns null for what the dialect's own reader or the target refuses. */
function sent({ dialect: from, request, stream }: Recording, { dialect }: Writer): JsonObject | null {
  const context = readContext({ model: MODEL, stream: stream !== null })
  const read = READERS[from].readRequest(request ?? {}, context)
  if (!read.ok) return null
  const capabilities = capabilitiesOf('openai', 'api.openai.com', MODEL, {})
  const target = { model: MODEL, provider: 'p', stream: stream !== null, capabilities }
  const written = dialect.writeRequest(read.value, target)
  return written.losses.some(({ refuse }) => refuse) ? null : objectOf(parseJson(written.body))
}

function told({ dialect: from, stream }: Recording, { dialect }: Writer) {
  const reader = READERS[from].openReader(origin('p'))
  const writer = dialect.openWriter(answerTarget({ ...ASKED, dialect: dialect.name }))
  const events = [...eventsOf(stream ?? '').flatMap((event) => reader.push(event)), ...reader.end()]
  const text = events.map((event) => writer.write(event)).join('') + writer.end()
  const frames = eventsOf(text).map(({ data }) => data)
  return {
    frames: frames.filter((data) => data !== '[DONE]'),
    broke: events.some(({ kind }) => kind === 'error'),
  }
}

const foreign = (writer: Writer): readonly Recording[] =>
  recordings.filter(({ dialect }) => dialect !== writer.dialect.name)

describe
  .runIf(hasRecordings && hasSchemas)
  .each(WRITERS.map((writer) => [writer.dialect.name, writer] as const))(
  'recorded traffic told as %s',
  (_name, writer) => {
    test('is requests by the schema', () => {
      const bodies = foreign(writer).flatMap((recording) => {
        const body = recording.request === null ? null : sent(recording, writer)
        return body === null ? [] : [{ id: recording.id, faults: faultsOf(writer.request, body) }]
      })
      expect(bodies.length).toBeGreaterThan(50)
      expect(bodies.filter(({ faults }) => faults.length > 0)).toEqual([])
    })

    test('is answers by the schema', () => {
      const bodies = foreign(writer).flatMap(({ id, dialect, status, body }) => {
        const read = status === 200 && body !== null ? READERS[dialect].readReply(body, origin('p')) : null
        if (read?.ok !== true) return []
        const target = answerTarget({ ...ASKED, dialect: writer.dialect.name })
        const answer = objectOf(parseJson(writer.dialect.writeReply(read.value, target)))
        return [{ id, faults: faultsOf(writer.answer, answer) }]
      })
      expect(bodies.length).toBeGreaterThan(50)
      expect(bodies.filter(({ faults }) => faults.length > 0)).toEqual([])
    })

    test.each(
      foreign(writer)
        .filter(({ stream }) => stream !== null)
        .map((recording) => [recording.id, recording] as const),
    )('is a stream by the schema that the SDK rebuilds: %s', async (_id, recording) => {
      const { frames, broke } = told(recording, writer)
      for (const frame of frames) {
        const event = objectOf(parseJson(frame))
        // Chat has no event for errors, and so no schema.
        if (writer.dialect === openaiChat && event['error'] !== undefined) continue
        expect(faultsOf(writer.event, event), frame).toEqual([])
      }
      if (broke) await expect(writer.rebuild(frames)).rejects.toThrow()
      else await expect(writer.rebuild(frames)).resolves.toBeDefined()
    })
  },
)
