/**
 * What every dialect's recorded answers say, heard by OpenAI's own SDK through chat: the same text, refusal, calls
 * with arguments, finish and usage, from streams and from whole answers.
 */
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream'
import type { ChatCompletion } from 'openai/resources/chat/completions'
import { describe, expect, test } from 'vitest'
import { anthropic } from '#data-plane/dialects/anthropic.ts'
import type { CanonicalReply } from '#data-plane/dialects/canonical/reply.ts'
import type { AnswerPart } from '#data-plane/dialects/canonical/reply.ts'
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'
import type { Dialect } from '#data-plane/dialects/dialect.ts'
import { gemini } from '#data-plane/dialects/gemini.ts'
import { openaiChat } from '#data-plane/dialects/openai-chat.ts'
import { openaiResponses } from '#data-plane/dialects/openai-responses.ts'
import { answerTarget, ASKED, origin } from './contexts.ts'
import { gather, readStream } from './gather.ts'
import { eventsOf, hasRecordings, recordings } from './recordings.ts'

const READERS: Readonly<Record<DialectName, Dialect>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  anthropic,
  gemini,
}

async function streamed(frames: string): Promise<ChatCompletion> {
  const lines = eventsOf(frames).flatMap(({ data }) => (data === '[DONE]' ? [] : [`${data}\n`]))
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const line of lines) controller.enqueue(new TextEncoder().encode(line))
      controller.close()
    },
  })
  return await ChatCompletionStream.fromReadableStream(body).finalChatCompletion()
}

const textOf = (parts: readonly AnswerPart[], kind: AnswerPart['kind']): string =>
  parts.flatMap((part) => (part.kind === kind && 'text' in part ? [part.text] : [])).join('')

const FINISH: Readonly<Record<string, string>> = {
  length: 'length',
  'context-full': 'length',
  'content-filter': 'content_filter',
}

/** What the recording says. */
function said({ candidates, usage }: CanonicalReply) {
  return {
    choices: candidates.map(({ index, parts, finish }) => {
      const refusal = textOf(parts, 'refusal')
      const calls = parts.filter((part) => part.kind === 'tool-call')
      const isModels = finish.kind === 'refusal' && refusal !== ''
      const isFilters = finish.kind === 'refusal' && refusal === ''
      return {
        index,
        text: textOf(parts, 'text'),
        refusal: refusal === '' && isFilters ? (finish.explanation ?? '') : refusal,
        calls: calls.map(({ id, name, args }) => ({ id, name, args: args === '' ? '{}' : args })),
        finish: isModels
          ? 'stop'
          : isFilters
            ? 'content_filter'
            : (FINISH[finish.kind] ?? (calls.length > 0 ? 'tool_calls' : 'stop')),
      }
    }),
    tokens: usage === null ? null : [usage.input, usage.output, usage.input + usage.output],
  }
}

/** What the SDK hears. */
const heard = ({ choices, usage }: ChatCompletion): unknown => ({
  choices: choices.map(({ index, message, finish_reason: finish }) => ({
    index,
    text: message.content ?? '',
    refusal: message.refusal ?? '',
    calls: (message.tool_calls ?? []).map((call) =>
      call.type === 'function'
        ? { id: call.id, name: call.function.name, args: call.function.arguments }
        : { id: call.id, name: call.custom.name, args: call.custom.input },
    ),
    finish,
  })),
  tokens:
    usage === null || usage === undefined
      ? null
      : [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens],
})

const target = () => answerTarget({ ...ASKED, dialect: 'openai-chat' })

describe.runIf(hasRecordings)('OpenAI’s SDK', () => {
  const streams = recordings.flatMap(({ id, dialect, stream }) =>
    stream === null ? [] : [{ id, dialect, stream }],
  )

  test('hears every recorded stream as it was said, or its error', async () => {
    let whole = 0
    for (const { id, dialect, stream } of streams) {
      const events = readStream(READERS[dialect].openReader(origin('p')), eventsOf(stream))
      const { reply, problem } = gather(events, dialect)
      const writer = openaiChat.openWriter(target())
      const frames = events.map((event) => writer.write(event)).join('') + writer.end()
      if (problem === null) {
        whole++
        expect(heard(await streamed(frames)), id).toEqual(said(reply))
      } else {
        expect(frames, id).toContain('"error":')
        expect(frames, id).not.toContain('[DONE]')
      }
    }
    expect(whole).toBeGreaterThan(streams.length * 0.8)
  })

  test('hears every recorded answer as it was said', () => {
    let count = 0
    for (const { id, dialect, body, status } of recordings) {
      if (body === null || status !== 200) continue
      const read = READERS[dialect].readReply(body, origin('p'))
      if (!read.ok) continue
      count++
      const completion = JSON.parse(openaiChat.writeReply(read.value, target())) as ChatCompletion
      expect(heard(completion), id).toEqual(said(read.value))
    }
    expect(count).toBeGreaterThan(200)
  })
})
