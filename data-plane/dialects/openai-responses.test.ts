import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { eventsOf, openSealer, replies, requests } from '#test/arbitraries/canonical.ts'
import { answerTarget, ASKED, origin, readContext } from '#test/conformance/contexts.ts'
import { gather, readStream } from '#test/conformance/gather.ts'
import { eventsOf as framesOf } from '#test/conformance/recordings.ts'
import { lastOf, rebuilt } from '#test/conformance/responses-stream.ts'
import { objectOf } from './canonical/json.ts'
import type { AnswerPart, CanonicalReply } from './canonical/reply.ts'
import { DIALECTS, type CanonicalRequest, type Part } from './canonical/request.ts'
import type { StreamEvent } from './canonical/stream.ts'
import { openaiResponses } from './openai-responses.ts'

const capabilities = capabilitiesOf('openai', 'api.openai.com', 'gpt-5.6', {})

const asked: CanonicalRequest = { ...ASKED, dialect: 'openai-responses' }

function sentAndRead(request: CanonicalRequest): CanonicalRequest {
  const written = openaiResponses.writeRequest(request, {
    model: request.model,
    provider: 'p',
    capabilities: { ...capabilities, sampling: true },
    stream: request.stream,
  })
  const body = objectOf(JSON.parse(written.body))
  const read = openaiResponses.readRequest(body, readContext({ stream: request.stream }))
  if (!read.ok) throw new Error(JSON.stringify(read.error))
  return read.value
}

/** What must survive: what was said, called, answered and thought, and the state of it. */
const essence = (parts: readonly (Part | AnswerPart)[]) =>
  parts.map((part) => {
    if (part.kind === 'text' || part.kind === 'refusal') return { kind: part.kind, text: part.text }
    if (part.kind === 'reasoning') return { text: part.text, state: part.carrier?.data }
    if (part.kind === 'tool-result') {
      const { callId, content } = part
      return { callId, content: content.map((piece) => (piece.kind === 'text' ? piece.text : piece)) }
    }
    if (part.kind === 'tool-call') return { id: part.id, name: part.name, args: part.args }
    if (part.kind === 'media') return { source: part.source, mimeType: part.mimeType }
    return part
  })

/** Turns as the flat list of items has them: who follows whom, not where one turn ends. */
const flat = ({ turns }: CanonicalRequest) =>
  turns.flatMap(({ role, parts }) => essence(parts).map((part) => ({ role, ...part })))

describe('a request of this dialect', () => {
  test('comes back from its own reader with all that was said', () => {
    fc.assert(
      fc.property(requests('openai-responses'), (request) => {
        const back = sentAndRead(request)
        expect(flat(back)).toEqual(flat(request))
        expect(back.system.map(({ text }) => text)).toEqual(request.system.map(({ text }) => text))
        expect(back.toolChoice).toEqual(request.toolChoice)
        expect(back.tools).toEqual(request.tools.map((tool) => ({ ...tool, cache: undefined })))
        expect(back.format).toEqual(request.format)
        const { topK: _topK, stop: _stop, seed: _seed, ...sayable } = request.params
        expect(back.params).toEqual(sayable)
      }),
    )
  })

  test('says a request of any dialect in the same bytes each time', () => {
    fc.assert(
      fc.property(fc.constantFrom(...DIALECTS).chain(requests), (request) => {
        const target = { model: 'm', provider: 'p', capabilities, stream: false }
        const once = openaiResponses.writeRequest(request, target)
        expect(openaiResponses.writeRequest(structuredClone(request), target)).toEqual(once)
        expect(once.body.indexOf('"input":')).toBeGreaterThan(once.body.indexOf('"tools":'))
      }),
    )
  })

  test('keeps texts, calls, their ids and results of a conversation in any other dialect', () => {
    fc.assert(
      fc.property(fc.constantFrom(...DIALECTS).chain(requests), (request) => {
        const kept = (turns: CanonicalRequest) => flat(turns).filter((part) => !('state' in part))
        expect(kept(sentAndRead(request))).toEqual(kept(request))
      }),
    )
  })

  test('gives no state of another dialect to this one', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('openai-chat', 'anthropic', 'gemini' as const).chain(requests),
        (request) => {
          const back = sentAndRead(request)
          expect(back.turns.flatMap(({ parts }) => parts).some(({ kind }) => kind === 'reasoning')).toBe(
            false,
          )
        },
      ),
    )
  })
})

const read = (body: string): CanonicalReply => {
  const result = openaiResponses.readReply(objectOf(JSON.parse(body)), origin('p'))
  if (!result.ok) throw new Error(result.error)
  return result.value
}

/** The frames of these events, and the events read out of them again. */
function streamed(events: readonly StreamEvent[]): readonly StreamEvent[] {
  const writer = openaiResponses.openWriter(answerTarget(asked))
  const text = events.map((event) => writer.write(event)).join('') + writer.end()
  return readStream(openaiResponses.openReader(origin('p')), framesOf(text))
}

const told = (reply: CanonicalReply) => ({
  parts: reply.candidates.map(({ parts }) => essence(parts)),
  finish: reply.candidates.map(({ finish }) => finish.kind),
  usage: reply.usage === null ? null : { ...reply.usage, native: {} },
})

/** Events of several parts in any order that keeps each part's own, parts opened by their number. */
function shuffled(events: readonly StreamEvent[], dice: () => number): readonly StreamEvent[] {
  const lanes: StreamEvent[][] = []
  const rest = events.filter((event) => {
    if (!('index' in event)) return true
    lanes[event.index] = [...(lanes[event.index] ?? []), event]
    return false
  })
  const mixed: StreamEvent[] = []
  let begun = 0
  while (lanes.some((lane) => lane.length > 0)) {
    const ready = lanes.filter((lane, index) => lane.length > 0 && index <= begun)
    const lane = ready[Math.floor(dice() * ready.length)]
    const event = lane?.shift()
    if (event === undefined) continue
    if (event.kind === 'part-start') begun = event.index + 1
    mixed.push(event)
  }
  const [start, ...end] = rest
  return start === undefined ? mixed : [start, ...mixed, ...end]
}

describe('an answer in this dialect', () => {
  test('is rebuilt by the official SDK whatever the order in which its parts are told', async () => {
    const dice = fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true }))
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...DIALECTS).chain(replies), dice, async (reply, thrown) => {
        const events = shuffled(eventsOf(reply, 2), () => thrown.next().value ?? 0)
        const writer = openaiResponses.openWriter(answerTarget(asked))
        const text = events.map((event) => writer.write(event)).join('') + writer.end()
        const last = lastOf(text)
        expect((await rebuilt(text))['output']).toMatchObject(last['output'] as object[])
        const parts = [...(reply.candidates[0]?.parts ?? [])]
        const words = (all: readonly unknown[]) => all.map((part) => JSON.stringify(part)).toSorted()
        const back = read(JSON.stringify(last)).candidates[0]?.parts ?? []
        const spoken = (all: readonly AnswerPart[]) => essence(all.filter(({ kind }) => kind !== 'reasoning'))
        expect(words(spoken(back))).toEqual(words(spoken(parts)))
      }),
    )
  })

  test('comes back from its own reader with all that was said', () => {
    fc.assert(
      fc.property(replies('openai-responses'), (reply) => {
        const cut = reply.candidates[0]?.finish.kind === 'stop' ? 'stop' : reply.candidates[0]?.finish.kind
        const back = read(openaiResponses.writeReply(reply, answerTarget(asked)))
        expect(told(back)).toEqual({ ...told(reply), finish: [cut] })
      }),
    )
  })

  test('says the same as a stream as it says whole', () => {
    fc.assert(
      fc.property(replies('openai-responses'), fc.integer({ min: 1, max: 9 }), (reply, piece) => {
        const whole = read(openaiResponses.writeReply(reply, answerTarget(asked)))
        const { reply: gathered, problem } = gather(streamed(eventsOf(reply, piece)), 'openai-responses')
        expect(problem).toBeNull()
        expect(told(gathered)).toEqual(told(whole))
      }),
    )
  })

  test('brings the state of any vendor back to the next request', () => {
    fc.assert(
      fc.property(fc.constantFrom(...DIALECTS).chain(replies), fc.boolean(), (reply, isStream) => {
        let body = openaiResponses.writeReply(reply, answerTarget(asked))
        if (isStream) {
          const writer = openaiResponses.openWriter(answerTarget(asked))
          const text =
            eventsOf(reply, 3)
              .map((event) => writer.write(event))
              .join('') + writer.end()
          body = JSON.stringify(objectOf(JSON.parse(framesOf(text).at(-1)?.data ?? ''))['response'])
        }
        const { output } = objectOf(JSON.parse(body))
        const next = openaiResponses.readRequest({ input: output }, readContext({ sealer: openSealer }))
        if (!next.ok) throw new Error(JSON.stringify(next.error))
        const parts = reply.candidates[0]?.parts ?? []
        const said = next.value.turns.flatMap((turn) => turn.parts)
        expect(essence(said)).toEqual(essence(parts))
        const states = (all: readonly (Part | AnswerPart)[]) =>
          all.map((part) => ('carrier' in part ? [part.carrier?.data, part.carrier?.dialect] : null))
        expect(states(said)).toEqual(states(parts))
      }),
    )
  })
})
