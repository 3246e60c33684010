import { describe, expect, it } from 'vitest'
import { openSealer } from '#test/arbitraries/canonical.ts'
import { answerTarget, ASKED } from '#test/conformance/contexts.ts'
import { eventsOf } from '#test/conformance/recordings.ts'
import type { Carrier } from '../canonical/carrier.ts'
import { isArray, objectOf, parseJson, type JsonObject } from '../canonical/json.ts'
import type { StreamEvent } from '../canonical/stream.ts'
import { gemini } from '../gemini.ts'

describe('writing', () => {
  const tell = (events: readonly StreamEvent[], over: Partial<typeof ASKED.telling> = {}): string => {
    const writer = gemini.openWriter(answerTarget({ ...ASKED, telling: { ...ASKED.telling, ...over } }))
    return events.map((event) => writer.write(event)).join('') + writer.end()
  }
  const chunksOf = (text: string): JsonObject[] => eventsOf(text).map(({ data }) => objectOf(parseJson(data)))
  const partsIn = (text: string): unknown[] =>
    chunksOf(text).flatMap((one) => {
      const [candidate] = isArray(one['candidates']) ? one['candidates'] : []
      return objectOf(objectOf(candidate)['content'])['parts']
    })
  const start: StreamEvent = { kind: 'start', id: 'x', model: 'm', serviceTier: null, usage: null }
  const open = (index: number, part: Extract<StreamEvent, { kind: 'part-start' }>['part']): StreamEvent => ({
    kind: 'part-start',
    index,
    candidate: 0,
    part,
  })
  const words = (index: number, text: string): StreamEvent => ({ kind: 'text', index, text })
  const end = (index: number): StreamEvent => ({ kind: 'part-end', index })
  const finish: StreamEvent = { kind: 'finish', candidate: 0, finish: { kind: 'stop' } }
  const text = { kind: 'text' } as const
  const call = { kind: 'tool-call', id: 'c', name: 'f', isCustom: false } as const

  it('has neither names nor terminator, and each frame is whole', () => {
    const told = tell([start, open(0, text), words(0, 'data: x\n\n'), { kind: 'ping' }, end(0), finish])
    expect(told).not.toMatch(/^event:|\[DONE\]/m)
    expect(told.endsWith('\r\n\r\n')).toBe(true)
    for (const frame of told.split('\r\n\r\n').slice(0, -1))
      expect(frame).toMatch(/^(data: \{[^\r\n]*\}|: ping)$/)
  })

  it('words are told at once, and the last chunk says why it ended and what it cost', () => {
    const writer = gemini.openWriter(answerTarget())
    writer.write(start)
    writer.write(open(0, text))
    expect(partsIn(writer.write(words(0, 'a')))).toEqual([{ text: 'a' }])
    writer.write(end(0))
    const usage = {
      input: 3,
      output: 2,
      cacheRead: 0,
      cacheWrite: 0,
      cacheWriteLong: 0,
      reasoning: 1,
      inputAudio: 0,
      outputAudio: 0,
      native: {},
    }
    expect(writer.write(finish)).toBe('')
    // Tokens may come after the finish.
    writer.write({ kind: 'usage', usage })
    expect(chunksOf(writer.end())).toEqual([
      {
        candidates: [{ content: { parts: [{ text: '' }], role: 'model' }, finishReason: 'STOP', index: 0 }],
        usageMetadata: {
          promptTokenCount: 3,
          candidatesTokenCount: 1,
          thoughtsTokenCount: 1,
          totalTokenCount: 5,
        },
        modelVersion: 'm',
        responseId: 'id1',
      },
    ])
    expect(writer.end()).toBe('')
    expect(writer.fail({ code: 'stream_broken' })).toBe('')
  })

  it('every chunk has the same id', () => {
    const told = tell([start, open(0, text), words(0, 'a'), words(0, 'b'), end(0), finish])
    expect(new Set(chunksOf(told).map((one) => one['responseId']))).toEqual(new Set(['id1']))
  })

  it('calls are told whole when their arguments are', () => {
    const writer = gemini.openWriter(answerTarget())
    expect(
      [
        start,
        open(0, call),
        { kind: 'args', index: 0, text: '{"a":' } as const,
        { kind: 'args', index: 0, text: '1}' } as const,
      ].map((event) => writer.write(event)),
    ).toEqual(['', '', '', ''])
    expect(partsIn(writer.write(end(0)))).toEqual([{ functionCall: { id: 'c', name: 'f', args: { a: 1 } } }])
  })

  it('parts that are open together come one after the other', () => {
    const told = tell([
      start,
      open(0, call),
      open(1, { ...call, id: 'd' }),
      open(2, text),
      words(2, 'later'),
      { kind: 'args', index: 1, text: '{"b":2}' },
      { kind: 'args', index: 0, text: '{"a":1}' },
      end(1),
      end(0),
      end(2),
      finish,
    ])
    expect(partsIn(told)).toEqual([
      { functionCall: { id: 'c', name: 'f', args: { a: 1 } } },
      { functionCall: { id: 'd', name: 'f', args: { b: 2 } } },
      { text: 'later' },
      { text: '' },
    ])
  })

  it('state stands on a call, and on an empty part after words', () => {
    const own: Carrier = { dialect: 'gemini', provider: 'g', data: 's', form: 'thought', of: 'own' }
    const foreign: Carrier = { dialect: 'anthropic', provider: 'c', data: 't', form: 'signature', of: 'own' }
    const events: StreamEvent[] = [
      start,
      open(0, { kind: 'reasoning', isSummary: false }),
      { kind: 'reasoning', index: 0, text: 'hm' },
      { kind: 'carrier', index: 0, carrier: foreign },
      end(0),
      open(1, text),
      words(1, 'a'),
      { kind: 'carrier', index: 1, carrier: own },
      end(1),
      open(2, call),
      { kind: 'carrier', index: 2, carrier: own },
      end(2),
      finish,
    ]
    const rest = [
      { text: 'a' },
      { text: '', thoughtSignature: 's' },
      { functionCall: { id: 'c', name: 'f', args: {} }, thoughtSignature: 's' },
      { text: '' },
    ]
    expect(partsIn(tell(events))).toEqual([
      { text: 'hm', thought: true },
      { text: '', thought: true, thoughtSignature: openSealer.seal(foreign) },
      ...rest,
    ])
    // Not shown, the thought goes along sealed.
    expect(partsIn(tell(events, { reasoning: false }))).toEqual([
      { text: '', thought: true, thoughtSignature: openSealer.seal({ ...foreign, text: 'hm' }) },
      ...rest,
    ])
  })

  it('sources come last, in bytes over all texts', () => {
    const told = tell([
      start,
      open(0, text),
      words(0, 'ü '),
      end(0),
      open(1, text),
      words(1, 'äb'),
      { kind: 'citation', index: 1, citation: { kind: 'url', url: 'https://a', start: 0, end: 1 } },
      end(1),
      finish,
    ])
    expect(chunksOf(told).at(-1)).toMatchObject({
      candidates: [
        {
          groundingMetadata: {
            groundingChunks: [{ web: { uri: 'https://a' } }],
            groundingSupports: [{ segment: { startIndex: 3, endIndex: 5, text: 'ä' } }],
          },
        },
      ],
    })
  })

  it('without `alt=sse` the chunks are one JSON array, whatever happens', () => {
    const events = [start, open(0, text), words(0, 'a'), { kind: 'ping' } as const, end(0), finish]
    const array = { framing: 'json-array' } as const
    expect(parseJson(tell(events, array))).toHaveLength(2)
    expect(parseJson(tell([start], array))).toMatchObject([{ error: { code: 500 } }])
    const broken = tell(
      [start, open(0, text), words(0, 'a'), { kind: 'error', problem: { code: 'stream_broken' } }, finish],
      array,
    )
    expect(parseJson(broken)).toMatchObject([{ candidates: [{}] }, { error: { code: 500 } }])
  })

  it('an error is told with a number the SDK throws at, and nothing follows', () => {
    const writer = gemini.openWriter(answerTarget())
    writer.write(start)
    const told = writer.write({ kind: 'error', problem: { code: 'rate_limit_exceeded', message: 'slow' } })
    expect(chunksOf(told)).toEqual([{ error: { code: 429, message: 'slow', status: 'RESOURCE_EXHAUSTED' } }])
    expect(writer.write(finish) + writer.end()).toBe('')
  })

  it('an answer without its end is an error, not a fake one', () => {
    expect(chunksOf(tell([start, open(0, text), words(0, 'a')])).at(-1)).toHaveProperty('error')
  })
})
