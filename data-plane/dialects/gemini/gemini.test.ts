import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { eventsOf as eventsOfReply, replies, requests } from '#test/arbitraries/canonical.ts'
import { answerTarget, ASKED, origin, readContext } from '#test/conformance/contexts.ts'
import { gather, readStream } from '#test/conformance/gather.ts'
import { eventsOf } from '#test/conformance/recordings.ts'
import { arrayOf, objectOf, parseJson } from '../canonical/json.ts'
import type { CanonicalReply } from '../canonical/reply.ts'
import type { CanonicalRequest, Part, Turn } from '../canonical/request.ts'
import { gemini } from '../gemini.ts'

const MODEL = 'gemini-3-flash-preview'
const capabilities = { ...capabilitiesOf('gemini', 'x', MODEL, {}), signedCalls: false }

/** What only its own writer adds or leaves out. */
const bare = (part: Part): Part => {
  if (part.kind === 'media') {
    // Gemini must be told a type; where there was none, one was made up.
    const { mimeType: _, media: __, ...rest } = part
    return { ...rest, media: 'image' }
  }
  if (part.kind !== 'tool-result') return part
  const text = part.content.map((piece) => (piece.kind === 'text' ? piece.text : '')).join('\n')
  return { ...part, content: [{ kind: 'text', text }] }
}
const bareTurns = (turns: readonly Turn[]) =>
  turns.map(({ role, parts }) => ({
    role,
    parts: parts.map(bare).map((part) =>
      // Every reasoning of Gemini is a summary.
      part.kind === 'reasoning' ? { ...part, isSummary: true } : part,
    ),
  }))

describe('its own words', () => {
  it('come back as they were from a request', () => {
    fc.assert(
      fc.property(requests('gemini'), (request) => {
        const target = { model: MODEL, provider: 'google', capabilities, stream: request.stream }
        const written = gemini.writeRequest(request, target)
        const read = gemini.readRequest(
          objectOf(parseJson(written.body)),
          readContext({ stream: request.stream }),
        )
        if (!read.ok) throw new Error(JSON.stringify(read.error))
        const value: CanonicalRequest = read.value
        expect(bareTurns(value.turns)).toEqual(bareTurns(request.turns))
        expect(value.system).toEqual(request.system)
        expect(value.tools.map(({ kind }) => kind)).toEqual(request.tools.map(({ kind }) => kind))
        const { temperature, topP, topK, maxTokens, stop, seed } = request.params
        expect(value.params).toMatchObject(
          JSON.parse(JSON.stringify({ temperature, topP, topK, maxTokens, stop, seed })) as object,
        )
        if (request.format?.kind === 'schema')
          expect(value.format).toMatchObject({ schema: request.format.schema })
      }),
    )
  })

  it('come back as they were from an answer', () => {
    fc.assert(
      fc.property(replies('gemini'), (reply) => {
        const written = gemini.writeReply(reply, answerTarget())
        const read = gemini.readReply(objectOf(parseJson(written)), origin('google'))
        if (!read.ok) throw new Error(read.error)
        expect(told(read.value)).toEqual(told(reply))
      }),
    )
  })

  it.each(['sse', 'json-array'] as const)('come back as they were from a stream (%s)', (framing) => {
    const request = { ...ASKED, telling: { ...ASKED.telling, framing } }
    fc.assert(
      fc.property(replies('gemini'), fc.integer({ min: 1, max: 7 }), (reply, piece) => {
        const writer = gemini.openWriter(answerTarget(request))
        const text =
          eventsOfReply(reply, piece)
            .map((event) => writer.write(event))
            .join('') + writer.end()
        const events =
          framing === 'sse'
            ? eventsOf(text)
            : arrayOf(parseJson(text)).map((one) => ({ event: '', data: JSON.stringify(one) }))
        const { reply: read, problem } = gather(
          readStream(gemini.openReader(origin('google')), events),
          'gemini',
        )
        expect(problem).toBeNull()
        expect(told(read)).toEqual(told(reply))
      }),
    )
  })
})

/** Google gives no cache writes, and `finishReason` is narrower than what was meant. */
function told(reply: CanonicalReply) {
  return {
    candidates: reply.candidates.map(({ parts, finish, index }) => ({
      index,
      finish: finish.kind,
      parts: parts
        .map((part) => (part.kind === 'reasoning' ? { ...part, isSummary: true } : part))
        .map((part) =>
          'carrier' in part && part.carrier !== undefined
            ? { ...part, carrier: { ...part.carrier, provider: null } }
            : part,
        ),
    })),
    usage: reply.usage === null ? null : { ...reply.usage, cacheWrite: 0, native: {} },
  }
}
