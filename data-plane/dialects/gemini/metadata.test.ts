import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../canonical/json.ts'
import {
  readCitations,
  readLogprobs,
  readUsage,
  unitAt,
  writeGrounding,
  writeLogprobs,
  writeUsage,
} from './metadata.ts'

describe('offsets', () => {
  it('in bytes and in code units are one place in any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(50), (text, at) => {
        const before = [...text].slice(0, at).join('')
        expect(unitAt(text, Buffer.byteLength(before))).toBe(before.length)
      }),
    )
  })

  it('never cut a character, and end where the text ends', () => {
    expect(unitAt('grüße', 3)).toBe(2)
    expect(unitAt('🎉x', 3)).toBe(0)
    expect(unitAt('ab', 9)).toBe(2)
  })
})

describe('sources', () => {
  const chunks = [
    { web: { uri: 'https://a', title: 'A' } },
    { retrievedContext: { uri: 'gs://b', title: 'B' } },
  ]

  it('point into the text in code units', () => {
    const text = 'Grüße aus Köln. Ja.'
    const end = Buffer.byteLength('Grüße aus Köln.')
    const groundingMetadata = {
      groundingChunks: chunks,
      groundingSupports: [
        { segment: { endIndex: end, text: 'Grüße aus Köln.' }, groundingChunkIndices: [0, 1, 7] },
        { segment: { startIndex: end + 1, endIndex: end + 4 }, groundingChunkIndices: [0] },
      ],
    }
    expect(readCitations({ groundingMetadata }, [text])).toEqual([
      {
        text: 0,
        citation: {
          kind: 'url',
          url: 'https://a',
          title: 'A',
          start: 0,
          end: 15,
          citedText: 'Grüße aus Köln.',
        },
      },
      {
        text: 0,
        citation: {
          kind: 'document',
          url: 'gs://b',
          title: 'B',
          start: 0,
          end: 15,
          citedText: 'Grüße aus Köln.',
        },
      },
      { text: 0, citation: { kind: 'url', url: 'https://a', title: 'A', start: 16, end: 19 } },
    ])
  })

  it('are counted over all texts, or within the part they name', () => {
    const supports = (segment: JsonObject): JsonObject => ({
      groundingMetadata: {
        groundingChunks: chunks,
        groundingSupports: [{ segment, groundingChunkIndices: [0] }],
      },
    })
    expect(readCitations(supports({ startIndex: 5, endIndex: 7 }), ['äöx', 'yz'])).toMatchObject([
      { text: 1, citation: { start: 0, end: 2 } },
    ])
    expect(
      readCitations(supports({ partIndex: 2, endIndex: 1 }), ['äöx', 'yz'], [undefined, 0, 1]),
    ).toMatchObject([{ text: 1, citation: { start: 0, end: 1 } }])
  })

  it('without a place belong to the last text', () => {
    const found = readCitations({ groundingMetadata: { groundingChunks: chunks } }, ['a', 'b'])
    expect(found.map(({ text, citation }) => [text, citation.url, citation.start])).toEqual([
      [1, 'https://a', undefined],
      [1, 'gs://b', undefined],
    ])
  })

  it('of recited texts are citations too', () => {
    const citationMetadata = { citationSources: [{ startIndex: 1, endIndex: 2, uri: 'https://c' }] }
    expect(readCitations({ citationMetadata }, ['abc'])).toEqual([
      { text: 0, citation: { kind: 'url', url: 'https://c', start: 1, end: 2 } },
    ])
  })

  it('come back from what was written of them', () => {
    const texts = ['äö 🎉', 'grüße']
    const placed = [
      { text: 0, citation: { kind: 'url', url: 'https://a', title: 'A', start: 3, end: 5, citedText: '🎉' } },
      {
        text: 1,
        citation: { kind: 'url', url: 'https://a', title: 'A', start: 0, end: 4, citedText: 'grüß' },
      },
      {
        text: 1,
        citation: { kind: 'document', url: 'x', title: 'X', start: 0, end: 4, citedText: 'grüß' },
      },
    ] as const
    const groundingMetadata = writeGrounding(texts, placed)
    expect(groundingMetadata).toMatchObject({
      groundingChunks: [{ web: { uri: 'https://a' } }, { retrievedContext: { uri: 'x' } }],
      groundingSupports: [{ groundingChunkIndices: [0] }, { groundingChunkIndices: [0, 1] }],
    })
    expect(readCitations({ groundingMetadata }, texts)).toEqual(placed)
    expect(writeGrounding(texts, [])).toBeUndefined()
  })
})

describe('tokens', () => {
  it('count thoughts and tools’ prompts in', () => {
    const native = {
      promptTokenCount: 32,
      candidatesTokenCount: 25,
      totalTokenCount: 4_704,
      toolUsePromptTokenCount: 4_610,
      thoughtsTokenCount: 37,
      cachedContentTokenCount: 8,
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 2 },
        { modality: 'AUDIO', tokenCount: 30 },
      ],
    }
    expect(readUsage(native)).toEqual({
      input: 4_642,
      output: 62,
      cacheRead: 8,
      cacheWrite: 0,
      cacheWriteLong: 0,
      reasoning: 37,
      inputAudio: 30,
      outputAudio: 0,
      native,
    })
  })

  it('are not told by a traffic type alone', () => {
    expect(readUsage({ trafficType: 'ON_DEMAND' })).toBeNull()
    expect(readUsage(undefined)).toBeNull()
  })

  it('of others are split as Gemini splits them, and add up', () => {
    const usage = {
      input: 100,
      output: 50,
      cacheRead: 60,
      cacheWrite: 10,
      cacheWriteLong: 0,
      reasoning: 20,
      inputAudio: 0,
      outputAudio: 0,
      native: { prompt_tokens: 100 },
    }
    expect(writeUsage(usage)).toEqual({
      promptTokenCount: 100,
      cachedContentTokenCount: 60,
      candidatesTokenCount: 30,
      thoughtsTokenCount: 20,
      totalTokenCount: 150,
    })
  })
})

it('probabilities have the bytes of their token, and come back', () => {
  const logprobs = readLogprobs({
    chosenCandidates: [{ token: 'ü', tokenId: 5, logProbability: -0.5 }],
    topCandidates: [{ candidates: [{ token: 'ü', logProbability: -0.5 }, { token: 'u' }] }],
  })
  expect(logprobs).toEqual([
    {
      token: 'ü',
      logprob: -0.5,
      bytes: [0xc3, 0xbc],
      top: [
        { token: 'ü', logprob: -0.5, bytes: [0xc3, 0xbc] },
        { token: 'u', logprob: 0, bytes: [0x75] },
      ],
    },
  ])
  expect(readLogprobs(writeLogprobs(logprobs ?? []))).toEqual(logprobs)
  expect(readLogprobs(undefined)).toBeNull()
})
