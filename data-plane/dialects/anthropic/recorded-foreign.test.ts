/** What other vendors' servers really answered, as an Anthropic client is told it. */
import { describe, expect, test } from 'vitest'
import { blankRequest, openSealer } from '#test/arbitraries/canonical.ts'
import { assembled, defectsOf } from '#test/conformance/anthropic-stream.ts'
import { eventsOf, hasRecordings, recordings } from '#test/conformance/recordings.ts'
import { anthropic } from '../anthropic.ts'
import { arrayOf, objectOf, parseJson, stringOf, type JsonObject } from '../canonical/json.ts'
import type { AnswerPart } from '../canonical/reply.ts'
import type { ToolCallPart } from '../canonical/request.ts'
import type { StreamEvent } from '../canonical/stream.ts'
import type { AnswerTarget, Dialect } from '../dialect.ts'
import { gemini } from '../gemini.ts'
import { openaiChat } from '../openai-chat.ts'
import { openaiResponses } from '../openai-responses.ts'
import { mediaInWords } from './write-reply.ts'

const UPSTREAMS: readonly Dialect[] = [openaiChat, openaiResponses, gemini]
const origin = { provider: 'upstream', toolNames: new Map<string, string>() }

const target: AnswerTarget = {
  request: blankRequest('anthropic'),
  newId: () => 'new',
  now: 1_790_000_000,
  sealer: openSealer,
  requestId: 'req_1',
}

const answered = recordings.flatMap((one) => {
  const dialect = UPSTREAMS.find(({ name }) => name === one.dialect)
  return dialect === undefined || one.status !== 200 ? [] : [{ ...one, reader: dialect }]
})
const streams = answered.flatMap(({ id, stream, reader }) =>
  stream === null ? [] : [{ id, stream, reader }],
)
const bodies = answered.flatMap(({ id, body, reader }) => {
  const reply = body === null ? null : reader.readReply(body, origin)
  return reply?.ok === true ? [{ id, reply: reply.value }] : []
})

type Saying = { texts: string; calls: unknown[]; thoughts: string }

function sayingOf(parts: readonly AnswerPart[]): Saying {
  const texts = parts.map((part) => {
    if (part.kind === 'media') return mediaInWords(part)
    return part.kind === 'text' || part.kind === 'refusal' ? part.text : ''
  })
  const calls = parts.flatMap((part) =>
    part.kind === 'tool-call' ? [[part.id, part.name, inputOf(part)]] : [],
  )
  const thoughts = parts.map((part) => (part.kind === 'reasoning' ? part.text : ''))
  return { texts: texts.join(''), calls, thoughts: thoughts.join('') }
}

const inputOf = ({ args, isCustom }: ToolCallPart): unknown =>
  isCustom ? { input: args } : parseJson(args === '' ? '{}' : args)

function sayingIn(message: JsonObject): Saying {
  const blocks = arrayOf(message['content']).map(objectOf)
  const join = (name: string): string => blocks.map((block) => stringOf(block[name]) ?? '').join('')
  const calls = blocks
    .filter(({ type }) => type === 'tool_use')
    .map(({ id, name, input }) => [id, name, input])
  return { texts: join('text'), calls, thoughts: join('thinking') }
}

/** The parts of the first candidate, put together from their events. */
function partsOf(events: readonly StreamEvent[]): AnswerPart[] {
  const parts = new Map<number, AnswerPart>()
  for (const event of events) {
    if (event.kind === 'part-start' && event.candidate === 0) {
      const { part } = event
      if (part.kind === 'tool-call') parts.set(event.index, { ...part, args: '' })
      else if (part.kind === 'media' || part.kind === 'native') parts.set(event.index, part)
      else if (part.kind === 'reasoning') parts.set(event.index, { ...part, text: '' })
      else parts.set(event.index, { ...part, text: '' })
    }
    if (
      event.kind !== 'text' &&
      event.kind !== 'refusal' &&
      event.kind !== 'reasoning' &&
      event.kind !== 'args'
    )
      continue
    const part = parts.get(event.index)
    if (part === undefined || part.kind === 'media' || part.kind === 'native') continue
    parts.set(
      event.index,
      part.kind === 'tool-call'
        ? { ...part, args: part.args + event.text }
        : { ...part, text: part.text + event.text },
    )
  }
  return [...parts.values()]
}

describe.runIf(hasRecordings)('a recorded stream of another vendor', () => {
  test.each(streams)('$id is told whole and without a defect', ({ stream, reader }) => {
    const upstream = reader.openReader(origin)
    const events = [...eventsOf(stream).flatMap((event) => [...upstream.push(event)]), ...upstream.end()]
    const writer = anthropic.openWriter(target)
    const written = events.map((event) => writer.write(event)).join('') + writer.end()
    if (events.some(({ kind }) => kind === 'error')) {
      expect(written).toMatch(/event: error\ndata: \{"type":"error".*\}\n\n$/)
      return
    }
    expect(defectsOf(written)).toEqual([])
    expect(sayingIn(assembled(written))).toEqual(sayingOf(partsOf(events)))
  })
})

describe.runIf(hasRecordings)('a recorded answer of another vendor', () => {
  test.each(bodies)('$id is told whole', ({ reply }) => {
    const message = JSON.parse(anthropic.writeReply(reply, target)) as JsonObject
    expect(sayingIn(message)).toEqual(sayingOf(reply.candidates[0]?.parts ?? []))
    expect(message).toMatchObject({
      type: 'message',
      role: 'assistant',
      stop_reason: expect.any(String) as string,
    })
  })
})
