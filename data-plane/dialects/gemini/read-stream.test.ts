import { describe, expect, it } from 'vitest'
import { origin } from '#test/conformance/contexts.ts'
import { gather, readStream } from '#test/conformance/gather.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { StreamEvent } from '../canonical/stream.ts'
import { gemini } from '../gemini.ts'

const chunk = (parts: readonly JsonObject[], more: JsonObject = {}, over: JsonObject = {}): JsonObject => ({
  candidates: [{ content: { role: 'model', parts }, index: 0, ...more }],
  responseId: 'r1',
  modelVersion: 'gemini-3',
  ...over,
})
const STOP = { finishReason: 'STOP' }

const eventsFor = (chunks: readonly JsonObject[]): StreamEvent[] =>
  readStream(
    gemini.openReader(origin('google')),
    chunks.map((one) => ({ event: '', data: JSON.stringify(one) })),
  )
const read = (...chunks: readonly JsonObject[]) => {
  const { reply, problem } = gather(eventsFor(chunks), 'gemini')
  const [candidate] = reply.candidates
  return { reply, problem, parts: candidate?.parts ?? [], finish: candidate?.finish }
}

describe('reading', () => {
  it('one kind of words is one part, and another kind begins the next', () => {
    const { parts, finish } = read(
      chunk([{ text: 'I ', thought: true }]),
      chunk([{ text: 'think', thought: true }, { text: 'Hel' }]),
      chunk([{ text: 'lo' }], STOP),
    )
    expect(parts).toEqual([
      { kind: 'reasoning', text: 'I think', isSummary: true },
      { kind: 'text', text: 'Hello' },
    ])
    expect(finish).toEqual({ kind: 'stop' })
  })

  it('tells words as they come, and the end only when the upstream has closed', () => {
    const reader = gemini.openReader(origin('google'))
    const push = (one: JsonObject) =>
      reader.push({ event: '', data: JSON.stringify(one) }).map(({ kind }) => kind)
    expect(push(chunk([{ text: 'a' }]))).toEqual(['start', 'part-start', 'text'])
    expect(push(chunk([{ text: 'b' }], STOP))).toEqual(['text'])
    // Trailing tokens.
    expect(push({ usageMetadata: { promptTokenCount: 1, totalTokenCount: 1 } })).toEqual(['usage'])
    expect(reader.end().map(({ kind }) => kind)).toEqual(['part-end', 'finish'])
    expect(reader.end()).toEqual([])
  })

  it('an empty text brings only its signature, and signed words do not go on', () => {
    const { parts } = read(
      chunk([{ text: 'a' }]),
      chunk([{ text: '', thoughtSignature: 's1' }]),
      chunk([{ text: 'b' }]),
      chunk([{ text: '' }], STOP),
    )
    expect(parts).toMatchObject([
      { kind: 'text', text: 'a', carrier: { data: 's1', provider: 'google', of: 'own' } },
      { kind: 'text', text: 'b' },
    ])
  })

  it('whole calls are parts of their own, with ids that do not depend on the reading', () => {
    const chunks = [
      chunk([
        { functionCall: { name: 'f', args: { a: 1 } }, thoughtSignature: 's' },
        { functionCall: { name: 'f', args: {} } },
        { functionCall: { name: 'g', id: 'own' } },
      ]),
      chunk([{ text: '' }], STOP),
    ]
    const { parts, finish } = read(...chunks)
    expect(parts).toMatchObject([
      { kind: 'tool-call', name: 'f', args: '{"a":1}', carrier: { data: 's' } },
      { kind: 'tool-call', name: 'f', args: '{}' },
      { kind: 'tool-call', name: 'g', id: 'own', args: '' },
    ])
    expect(read(...chunks).parts).toEqual(parts)
    expect(finish).toEqual({ kind: 'tool-calls' })
  })

  it.each([
    ['its own end', [{ functionCall: {} }]],
    ['the next call', [{ functionCall: { name: 'g', args: {} } }]],
    ['the end of the answer', []],
    ['two ends', [{ functionCall: {} }, { functionCall: {} }]],
  ])('arguments told by path end with %s', (_what, last) => {
    const piece = (partialArgs: JsonObject[]) =>
      chunk([{ functionCall: { partialArgs, willContinue: true } }])
    const { parts, problem } = read(
      chunk([{ functionCall: { name: 'f', willContinue: true }, thoughtSignature: 's' }]),
      piece([{ jsonPath: '$.a[0].b', stringValue: 'x"', willContinue: true }]),
      piece([{ jsonPath: '$.a[0].b', stringValue: 'y' }]),
      chunk([{ functionCall: { willContinue: true } }]),
      piece([{ jsonPath: '$.a[1]', numberValue: 2 }]),
      chunk(last, STOP),
    )
    expect(problem).toBeNull()
    expect(parts[0]).toMatchObject({ name: 'f', args: '{"a":[{"b":"x\\"y"},2]}', carrier: { data: 's' } })
  })

  it('arguments that cannot be told in order are an error, not a wrong call', () => {
    const { problem } = read(
      chunk([{ functionCall: { name: 'f', willContinue: true } }]),
      chunk([
        {
          functionCall: {
            partialArgs: ['$.a.b', '$.c', '$.a.d'].map((jsonPath) => ({ jsonPath, numberValue: 1 })),
            willContinue: true,
          },
        },
      ]),
      chunk([], STOP),
    )
    expect(problem).toMatchObject({ code: 'stream_broken' })
  })

  it('the last tokens count', () => {
    const usageMetadata = (count: number) => ({ promptTokenCount: 5, candidatesTokenCount: count })
    const { reply } = read(
      chunk([{ text: 'a' }], {}, { usageMetadata: usageMetadata(1) }),
      chunk([{ text: 'b' }], STOP, { usageMetadata: usageMetadata(2) }),
      { usageMetadata: { trafficType: 'ON_DEMAND' } },
    )
    expect(reply.usage).toMatchObject({ input: 5, output: 2 })
  })

  it('sources point into all of the text, also when it came in pieces', () => {
    const groundingMetadata = {
      groundingChunks: [{ web: { uri: 'https://a', title: 'A' } }],
      groundingSupports: [{ segment: { startIndex: 3, endIndex: 7 }, groundingChunkIndices: [0] }],
    }
    const citation = { kind: 'url', url: 'https://a', title: 'A' }
    const { parts } = read(
      chunk([{ text: 'äx' }], { groundingMetadata: {} }),
      chunk([{ text: 'yöz' }], { ...STOP, groundingMetadata }),
    )
    expect(parts).toEqual([{ kind: 'text', text: 'äxyöz', citations: [{ ...citation, start: 2, end: 5 }] }])
    // The text was over when they came.
    const late = read(
      chunk([{ text: 'äxyöz' }]),
      chunk([{ functionCall: { name: 'f' } }], { ...STOP, groundingMetadata }),
    )
    expect(late.parts[2]).toEqual({ kind: 'text', text: '', citations: [citation] })
  })

  it('probabilities are of the text they came with', () => {
    const logprobsResult = { chosenCandidates: [{ token: 'a', logProbability: -1 }] }
    const { reply } = read(
      chunk([{ text: 'a' }], { logprobsResult }),
      chunk([{ text: 'a' }], { ...STOP, logprobsResult }),
    )
    expect(reply.candidates[0]?.logprobs).toHaveLength(2)
  })

  it('several candidates are kept apart', () => {
    const both = (first: string, second: string, more: JsonObject = {}): JsonObject => ({
      candidates: [
        { index: 0, content: { parts: [{ text: first }] }, ...more },
        { index: 1, content: { parts: [{ text: second }] }, ...more },
      ],
    })
    const { reply } = read(both('a', 'x'), both('b', 'y', STOP))
    expect(reply.candidates.map(({ index, parts }) => [index, parts])).toEqual([
      [0, [{ kind: 'text', text: 'ab' }]],
      [1, [{ kind: 'text', text: 'xy' }]],
    ])
  })

  it('media and what only Gemini knows are whole at once', () => {
    const code = { executableCode: { code: '1', language: 'PYTHON' }, thoughtSignature: 's' }
    const { parts } = read(
      chunk([code, { text: '' }]),
      chunk([{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }], STOP),
    )
    expect(parts).toMatchObject([
      { kind: 'native', type: 'executableCode', value: code },
      { kind: 'media', media: 'image' },
    ])
  })

  it('a blocked prompt is a filtered answer', () => {
    const { finish, parts, problem } = read({ promptFeedback: { blockReason: 'SAFETY' } })
    expect({ finish, parts, problem }).toMatchObject({
      finish: { kind: 'content-filter', explanation: 'The prompt was blocked: SAFETY' },
      parts: [],
      problem: null,
    })
  })

  it.each([
    [{ error: { code: 429, message: 'slow down', status: 'RESOURCE_EXHAUSTED' } }, 'rate_limit_exceeded'],
    [{ error: { code: 503, message: 'busy' } }, 'upstream_overloaded'],
    [{ error: { code: 500, message: 'oh' } }, 'upstream_error'],
  ])('an error in the middle ends the stream: %j', (error, code) => {
    const { problem, parts } = read(chunk([{ text: 'a' }]), error, chunk([{ text: 'b' }], STOP))
    expect(problem).toMatchObject({ code, message: error.error.message })
    expect(parts).toEqual([{ kind: 'text', text: 'a' }])
  })

  it('an error in a list is one too', () => {
    const reader = gemini.openReader(origin('google'))
    const data = JSON.stringify([{ error: { code: 500, message: 'oh' } }])
    expect(reader.push({ event: '', data })).toMatchObject([{ kind: 'error' }])
  })

  it.each([
    ['nothing came', []],
    ['no end was told', [chunk([{ text: 'a' }])]],
    [
      'one of two candidates has no end',
      [chunk([{ text: 'a' }], STOP), chunk([{ text: 'b' }], { index: 1 })],
    ],
  ])('is broken when %s', (_what, chunks) => {
    expect(read(...chunks).problem).toMatchObject({ code: 'stream_broken' })
  })

  it('what is no JSON is an error, and a foreign terminator is nothing', () => {
    const reader = gemini.openReader(origin('google'))
    expect(reader.push({ event: '', data: '[DONE]' })).toEqual([])
    expect(reader.push({ event: '', data: '{"candidates":' })).toMatchObject([
      { kind: 'error', problem: { code: 'stream_broken' } },
    ])
  })
})
