import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import type { CapabilityOverrides } from '#contracts/catalog/capability.ts'
import { eventsOf as canonicalEvents, openSealer, replies, requests } from '#test/arbitraries/canonical.ts'
import { objectOf, type JsonObject } from './canonical/json.ts'
import type { AnswerPart, CanonicalReply } from './canonical/reply.ts'
import { DIALECTS, type CanonicalRequest, type Part } from './canonical/request.ts'
import type { StreamEvent } from './canonical/stream.ts'
import type { AnswerTarget, ReadContext, WriteTarget } from './dialect.ts'
import { openaiChat } from './openai-chat.ts'

const OPEN_HOST: CapabilityOverrides = {
  reasoningReplay: 'reasoning_details',
  maxCompletionTokens: true,
  extraFields: ['top_k'],
  cacheMarks: true,
}
const target: WriteTarget = {
  model: 'model-1',
  provider: 'p',
  capabilities: capabilitiesOf('openai', 'example.org', 'model-1', OPEN_HOST),
  stream: false,
}
const context: ReadContext = {
  model: 'model-1',
  stream: false,
  headers: {},
  framing: 'sse',
  sealer: openSealer,
}

function read(body: JsonObject): CanonicalRequest {
  const result = openaiChat.readRequest(body, context)
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

const answerTo = (request: CanonicalRequest): AnswerTarget => {
  let count = 0
  return { request, newId: () => `id${count++}`, now: 1, sealer: openSealer, requestId: 'r' }
}

/** What must survive: kinds, texts, ids, arguments, media and state; runs of one role as one. */
function essence(request: CanonicalRequest): unknown {
  const turns: { role: string; parts: unknown[] }[] = []
  for (const { role, parts } of request.turns) {
    const said = parts.map(bare)
    const last = turns.at(-1)
    if (last?.role === role) last.parts.push(...said)
    else turns.push({ role, parts: said })
  }
  return { system: request.system.map(({ text }) => text), turns }
}

function bare(part: Part): unknown {
  // Chat has no place for these.
  if (part.kind === 'tool-result')
    return { kind: part.kind, id: part.callId, text: part.content.map((piece) => bare(piece)) }
  if (part.kind === 'media') return { media: part.media, source: part.source }
  return part
}

const source = fc.constantFrom(...DIALECTS)

describe('a chat request', () => {
  test('keeps texts, calls, ids, results, thought and state on the way out and in', () => {
    fc.assert(
      fc.property(requests('openai-chat'), (request) => {
        const out = openaiChat.writeRequest(request, target)
        expect(essence(read(objectOf(JSON.parse(out.body))))).toEqual(essence(request))
      }),
    )
  })

  test('keeps parameters, tools, choice and format on the way out and in', () => {
    fc.assert(
      fc.property(requests('openai-chat'), (request) => {
        const out = openaiChat.writeRequest(request, target)
        const again = read(objectOf(JSON.parse(out.body)))
        expect(again.params).toEqual(request.params)
        expect(again.toolChoice).toEqual(request.toolChoice)
        expect(again.parallelTools).toEqual(request.parallelTools)
        expect(again.reasoning).toEqual(request.reasoning)
        expect(again.format).toEqual(request.format)
        expect(again.tools.map((tool) => ('name' in tool ? tool.name : ''))).toEqual(
          request.tools.map((tool) => ('name' in tool ? tool.name : '')),
        )
      }),
    )
  })

  test('is written in the same order from every dialect: what stays first, the conversation last', () => {
    fc.assert(
      fc.property(source.chain(requests), (request) => {
        const { body } = openaiChat.writeRequest(request, target)
        expect(Object.keys(objectOf(JSON.parse(body))).at(0)).toBe('model')
        expect(Object.keys(objectOf(JSON.parse(body))).at(-1)).toBe('messages')
        expect(openaiChat.writeRequest(request, target).body).toBe(body)
      }),
    )
  })

  test('answers every call directly after it, whatever order it came in', () => {
    fc.assert(
      fc.property(source.chain(requests), (request) => {
        const { body } = openaiChat.writeRequest(request, target)
        const messages = objectOf(JSON.parse(body))['messages'] as readonly JsonObject[]
        messages.forEach((message, at) => {
          const ids = ((message['tool_calls'] ?? []) as readonly JsonObject[]).map(({ id }) => id)
          const after = messages.slice(at + 1, at + 1 + ids.length)
          expect(after.map((result) => result['tool_call_id'])).toEqual(ids)
        })
      }),
    )
  })

  test('never takes another vendor’s state along', () => {
    fc.assert(
      fc.property(fc.constantFrom('anthropic', 'gemini', 'openai-responses').chain(requests), (request) => {
        const { body } = openaiChat.writeRequest(request, target)
        expect(body).not.toContain('reasoning.encrypted')
        expect(body).not.toContain('signature')
      }),
    )
  })
})

describe('a chat answer', () => {
  const request = read({ model: 'm', messages: [], stream_options: { include_usage: true } })

  /** Chat joins the texts and thoughts of a message. */
  const joined = ({ candidates, usage }: CanonicalReply): unknown => ({
    candidates: candidates.map(({ parts, finish, index }) => ({
      index,
      finish: finish.kind,
      text: textOf(parts, 'text'),
      calls: parts.filter(({ kind }) => kind === 'tool-call').map((part) => ({ ...part, carrier: null })),
    })),
    usage: usage === null ? null : { ...usage, native: null },
  })

  test('says the same when it is read again', () => {
    fc.assert(
      fc.property(source.chain(replies), (reply) => {
        const body = objectOf(JSON.parse(openaiChat.writeReply(reply, answerTo(request))))
        const again = openaiChat.readReply(body, { provider: 'p', toolNames: new Map() })
        expect(again.ok && joined(again.value)).toEqual(joined(reply))
      }),
    )
  })

  test('says the same as a stream and as a whole', () => {
    fc.assert(
      fc.property(source.chain(replies), fc.integer({ min: 1, max: 20 }), (reply, piece) => {
        const frames = streamed(canonicalEvents(reply, piece), request)
        const whole = objectOf(JSON.parse(openaiChat.writeReply(reply, answerTo(request))))
        const wholeReply = openaiChat.readReply(whole, { provider: 'p', toolNames: new Map() })
        expect(joined(collect(heard(frames)))).toEqual(wholeReply.ok && joined(wholeReply.value))
      }),
    )
  })

  test('brings state back when the client sends the message again, whole or from the stream', () => {
    fc.assert(
      fc.property(source.chain(replies), (reply) => {
        const whole = objectOf(JSON.parse(openaiChat.writeReply(reply, answerTo(request))))
        const message = objectOf(objectOf((whole['choices'] as JsonObject[])[0])['message'])
        expect(statesIn(message)).toEqual(statesOf(reply))
        expect(statesIn(messageOf(streamed(canonicalEvents(reply, 5), request)))).toEqual(statesOf(reply))
      }),
    )
  })

  const stateOf = (parts: readonly (Part | AnswerPart)[]): unknown =>
    parts.flatMap((part) =>
      'carrier' in part && part.carrier !== undefined
        ? [
            {
              kind: part.kind,
              data: part.carrier.data,
              dialect: part.carrier.dialect,
              of: part.carrier.of,
              text: textOf([part], part.kind),
            },
          ]
        : [],
    )
  const statesOf = (reply: CanonicalReply): unknown => stateOf(reply.candidates[0]!.parts)
  const statesIn = (message: JsonObject): unknown =>
    stateOf(read({ model: 'm', messages: [{ role: 'user', content: 'x' }, message] }).turns[1]!.parts)
})

const textOf = (parts: readonly (Part | AnswerPart)[], kind: string): string =>
  parts.flatMap((part) => (part.kind === kind && 'text' in part ? [part.text] : [])).join('')

function streamed(events: readonly StreamEvent[], request: CanonicalRequest): string {
  const writer = openaiChat.openWriter(answerTo(request))
  return events.map((event) => writer.write(event)).join('') + writer.end()
}

function heard(frames: string): readonly StreamEvent[] {
  const reader = openaiChat.openReader({ provider: 'p', toolNames: new Map() })
  const payloads = frames
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: '))
    .map((frame) => frame.slice('data: '.length))
  return [...payloads.flatMap((data) => reader.push({ event: '', data })), ...reader.end()]
}

/** The message that a client puts together which keeps the last piece of every field it does not know. */
function messageOf(frames: string): JsonObject {
  const message: Record<string, unknown> = {}
  const calls: Record<string, unknown>[] = []
  for (const frame of frames.split('\n\n')) {
    if (!frame.startsWith('data: {')) continue
    const chunk = JSON.parse(frame.slice('data: '.length)) as {
      choices: { delta: Record<string, unknown> }[]
    }
    const { content, refusal: _refusal, tool_calls: pieces, ...rest } = chunk.choices[0]?.delta ?? {}
    Object.assign(message, rest)
    if (typeof content === 'string') {
      const known = message['content']
      message['content'] = (typeof known === 'string' ? known : '') + content
    }
    for (const { index, function: called, ...members } of (pieces ?? []) as {
      index: number
      function?: { name?: string; arguments?: string }
    }[]) {
      const call = (calls[index] ??= { function: { name: '', arguments: '' } })
      Object.assign(call, members)
      const known = call['function'] as { name: string; arguments: string }
      known.name += called?.name ?? ''
      known.arguments += called?.arguments ?? ''
    }
  }
  return (calls.length === 0 ? message : { ...message, tool_calls: calls }) as JsonObject
}

/** Puts an answer together again from its events. */
function collect(events: readonly StreamEvent[]): CanonicalReply {
  const parts = new Map<number, { kind: string; text: string; args: string }>()
  let reply: CanonicalReply = {
    dialect: 'openai-chat',
    id: null,
    model: null,
    created: null,
    candidates: [],
    usage: null,
    serviceTier: null,
  }
  for (const event of events) {
    if (event.kind === 'part-start') parts.set(event.index, { text: '', args: '', ...event.part })
    else if (event.kind === 'text' || event.kind === 'reasoning') parts.get(event.index)!.text += event.text
    else if (event.kind === 'args') parts.get(event.index)!.args += event.text
    else if (event.kind === 'usage') reply = { ...reply, usage: event.usage }
    else if (event.kind === 'finish') {
      const said = [...parts.values()].map((part) => {
        const { text, args, ...rest } = part
        return (part.kind === 'tool-call' ? { ...rest, args } : { ...rest, text }) as AnswerPart
      })
      const candidate = { index: 0, parts: said, finish: event.finish, logprobs: null }
      reply = { ...reply, candidates: [candidate] }
    }
  }
  return reply
}
