/** Nothing is lost on the way to Anthropic's words and back. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { eventsOf, openSealer, replies, requests } from '#test/arbitraries/canonical.ts'
import { assembled, defectsOf } from '#test/conformance/anthropic-stream.ts'
import { eventsOf as framesOf } from '#test/conformance/recordings.ts'
import { anthropic } from '../anthropic.ts'
import { objectOf, type JsonObject } from '../canonical/json.ts'
import type { AnswerPart, CanonicalReply } from '../canonical/reply.ts'
import { DIALECTS, type CanonicalRequest, type Part, type Turn } from '../canonical/request.ts'
import type { StreamEvent } from '../canonical/stream.ts'
import type { AnswerTarget } from '../dialect.ts'
import { mergeRuns } from '../repair/turns.ts'

const capabilities = capabilitiesOf('anthropic', 'api.anthropic.com', 'claude-sonnet-4-5', {})
const target = { model: 'claude-sonnet-4-5', provider: 'claude', capabilities, stream: false }

function readBack(body: string): CanonicalRequest {
  const read = anthropic.readRequest(JSON.parse(body) as JsonObject, {
    model: 'model-1',
    stream: false,
    headers: {},
    framing: 'sse',
    sealer: openSealer,
  })
  if (!read.ok) throw new Error(JSON.stringify(read.error))
  return read.value
}

/** As far as Anthropic's words go: results name no function. */
const comparable = (part: Part): unknown => {
  if (part.kind === 'tool-call') return { ...part, args: JSON.parse(part.args) as unknown }
  if (part.kind !== 'tool-result') return part
  const { name: _name, ...rest } = part
  return rest
}

const comparableTurns = (turns: readonly Turn[]): unknown =>
  mergeRuns(turns).map(({ role, parts }) => ({ role, parts: parts.map(comparable) }))

describe('a request', () => {
  test('of its own dialect is read back as it was', () => {
    fc.assert(
      fc.property(requests('anthropic'), (request) => {
        const written = anthropic.writeRequest(request, target)
        const back = readBack(written.body)
        expect(comparableTurns(back.turns)).toEqual(comparableTurns(request.turns))
        expect(back.system).toEqual(request.system)
        expect(back.tools).toEqual(request.tools)
        expect(back.params.stop).toEqual(request.params.stop)
        expect(back.params.endUser).toBe(request.params.endUser)
        expect(back.format).toEqual(request.format && { kind: 'schema', schema: FORMAT, strict: true })
      }),
    )
  })

  const FORMAT = {
    type: 'object',
    properties: { a: { type: 'string' } },
    additionalProperties: false,
    required: ['a'],
  }

  test.each(DIALECTS)('of %s keeps its texts, calls, results and media', (dialect) => {
    fc.assert(
      fc.property(requests(dialect), (request) => {
        const written = anthropic.writeRequest(request, target)
        const withoutThoughts = request.turns.map((turn) => ({
          ...turn,
          parts: turn.parts.filter(({ kind }) => kind !== 'reasoning' || dialect === 'anthropic'),
        }))
        expect(comparableTurns(readBack(written.body).turns)).toEqual(comparableTurns(withoutThoughts))
        expect(written.losses.filter(({ refuse }) => refuse)).toEqual([])
      }),
    )
  })

  test('tells the conversation last', () => {
    fc.assert(
      fc.property(requests('openai-chat'), (request) => {
        const body = JSON.parse(anthropic.writeRequest(request, target).body) as JsonObject
        const names = Object.keys(body)
        expect(names.at(0)).toBe('model')
        expect(names.at(-1)).toBe('messages')
        const order = ['tools', 'tool_choice', 'system', 'messages'].filter((name) => names.includes(name))
        expect(names.slice(-order.length)).toEqual(order)
      }),
    )
  })

  test('is written the same every time', () => {
    fc.assert(
      fc.property(requests('gemini'), (request) => {
        expect(anthropic.writeRequest(request, target)).toEqual(anthropic.writeRequest(request, target))
      }),
      { numRuns: 20 },
    )
  })
})

const asked = readBack('{"model":"m","max_tokens":9,"messages":[]}')
const client: AnswerTarget = {
  request: asked,
  newId: () => 'new',
  now: 1_790_000_000,
  sealer: openSealer,
  requestId: 'req_1',
}
const origin = { provider: 'claude', toolNames: new Map<string, string>() }

function writtenStream(events: readonly StreamEvent[]): string {
  const writer = anthropic.openWriter(client)
  return events.map((event) => writer.write(event)).join('') + writer.end()
}

/** What an answer says, without how it was cut into blocks. */
function saying(reply: CanonicalReply): unknown {
  return {
    parts: reply.candidates[0]?.parts.map((part) =>
      part.kind === 'tool-call' ? { ...part, args: JSON.parse(part.args) as unknown } : part,
    ),
    finish: reply.candidates[0]?.finish.kind,
    usage: reply.usage === null ? null : { ...reply.usage, native: {} },
  }
}

const fromClaude = (reply: CanonicalReply): CanonicalReply => ({
  ...reply,
  candidates: reply.candidates.map((candidate) => ({
    ...candidate,
    parts: candidate.parts.map((part): AnswerPart =>
      'carrier' in part && part.carrier !== undefined
        ? { ...part, carrier: { ...part.carrier, provider: 'claude' } }
        : part,
    ),
  })),
})

describe('an answer', () => {
  test('of its own dialect is read back as it was', () => {
    fc.assert(
      fc.property(replies('anthropic').map(fromClaude), (reply) => {
        const back = anthropic.readReply(
          JSON.parse(anthropic.writeReply(reply, client)) as JsonObject,
          origin,
        )
        if (!back.ok) throw new Error(back.error)
        expect(saying(back.value)).toEqual(saying(reply))
      }),
    )
  })

  test.each(DIALECTS)('of %s is the same message whole and as a stream, without a defect', (dialect) => {
    fc.assert(
      fc.property(replies(dialect), fc.integer({ min: 1, max: 40 }), (reply, piece) => {
        const stream = writtenStream(eventsOf(reply, piece))
        expect(defectsOf(stream)).toEqual([])
        const whole = JSON.parse(anthropic.writeReply(reply, client)) as JsonObject
        expect(comparableMessage(assembled(stream))).toEqual(comparableMessage(whole))
      }),
    )
  })

  test('is read from its stream as it is read whole', () => {
    fc.assert(
      fc.property(replies('anthropic').map(fromClaude), fc.integer({ min: 1, max: 40 }), (reply, piece) => {
        const reader = anthropic.openReader(origin)
        const frames = framesOf(writtenStream(eventsOf(reply, piece)))
        const events = [...frames.flatMap((frame) => [...reader.push(frame)]), ...reader.end()]
        expect(events.at(-1)).toMatchObject({ kind: 'finish' })
        const again = writtenStream(events)
        expect(comparableMessage(assembled(again))).toEqual(
          comparableMessage(JSON.parse(anthropic.writeReply(reply, client)) as JsonObject),
        )
      }),
    )
  })
})

/** Usage differs in what only whole messages tell. */
function comparableMessage({ usage, ...message }: JsonObject): unknown {
  const { input_tokens, output_tokens, cache_read_input_tokens } = objectOf(usage)
  return { ...message, usage: { input_tokens, output_tokens, cache_read_input_tokens } }
}

describe('state of another vendor', () => {
  test.each(DIALECTS)('of %s comes back from an Anthropic client with the part it belongs to', (dialect) => {
    fc.assert(
      fc.property(replies(dialect), fc.boolean(), (reply, isStream) => {
        const message = isStream
          ? assembled(writtenStream(eventsOf(reply, 7)))
          : (JSON.parse(anthropic.writeReply(reply, client)) as JsonObject)
        const body = {
          model: 'm',
          max_tokens: 9,
          messages: [{ role: 'assistant', content: message['content'] }],
        }
        const carriers = (parts: readonly Part[]): unknown[] =>
          parts.flatMap((part) =>
            'carrier' in part && part.carrier !== undefined ? [[part.kind, part.carrier]] : [],
          )
        const back = readBack(JSON.stringify(body)).turns[0]?.parts ?? []
        expect(carriers(back)).toEqual(carriers(reply.candidates[0]?.parts ?? []))
      }),
    )
  })

  const signed = (kind: 'text' | 'tool-call'): CanonicalReply => {
    const carrier = {
      dialect: 'gemini',
      provider: 'google',
      data: 'c2ln',
      form: 'thought',
      of: 'own',
    } as const
    const parts: AnswerPart[] = [
      { kind: 'text', text: 'first' },
      kind === 'text'
        ? { kind: 'text', text: 'second', carrier }
        : { kind: 'tool-call', id: 'call_1', name: 'look', args: '{"a":1}', isCustom: false, carrier },
    ]
    return {
      dialect: 'gemini',
      id: null,
      model: null,
      created: null,
      candidates: [{ index: 0, parts, finish: { kind: 'stop' }, logprobs: null }],
      usage: null,
      serviceTier: null,
    }
  }

  test.each(['text', 'tool-call'] as const)(
    'that a %s carries goes in front of it, or behind when it came late',
    (kind) => {
      const reply = signed(kind)
      const typesOf = (message: JsonObject): unknown[] =>
        (message['content'] as JsonObject[]).map(({ type }) => type)
      const own = kind === 'text' ? 'text' : 'tool_use'
      expect(typesOf(JSON.parse(anthropic.writeReply(reply, client)) as JsonObject)).toEqual([
        'text',
        'redacted_thinking',
        own,
      ])
      const late = assembled(writtenStream(eventsOf(reply, 3)))
      expect(typesOf(late)).toEqual(['text', own, 'redacted_thinking'])
      const back = readBack(
        JSON.stringify({ model: 'm', messages: [{ role: 'assistant', content: late['content'] }] }),
      )
      expect(back.turns[0]?.parts.map(comparable)).toEqual(reply.candidates[0]?.parts.map(comparable))
    },
  )
})
