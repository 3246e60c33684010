import * as fc from 'fast-check'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FIXTURES } from '#test/conformance/recordings.ts'
import type { JsonObject } from './canonical/json.ts'
import {
  fromBase64,
  readGeminiReply,
  readGeminiRequest,
  readOpenAiReply,
  readOpenAiRequest,
  toBase64,
  writeGeminiReply,
  writeGeminiRequest,
  writeOpenAiReply,
  writeOpenAiRequest,
  type EmbeddingsRequest,
} from './embeddings.ts'

function asked(body: JsonObject): EmbeddingsRequest {
  const read = readOpenAiRequest(body)
  if (!read.ok) throw new Error(JSON.stringify(read.error))
  return read.value
}

function value<Value>(result: { ok: true; value: Value } | { ok: false; error: unknown }): Value {
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

describe('OpenAI requests for Gemini', () => {
  it('one text is one content', () => {
    const request = asked({ model: 'm', input: 'hello', dimensions: 256, user: 'u' })
    expect(writeGeminiRequest(request, 'gemini-embedding-001')).toEqual({
      method: 'embedContent',
      body: {
        model: 'models/gemini-embedding-001',
        content: { parts: [{ text: 'hello' }] },
        outputDimensionality: 256,
      },
    })
  })

  it('several texts are a batch in their order', () => {
    const { method, body } = writeGeminiRequest(asked({ input: ['a', 'b'] }), 'models/e')
    expect(method).toBe('batchEmbedContents')
    expect(body).toEqual({
      requests: [
        { model: 'models/e', content: { parts: [{ text: 'a' }] } },
        { model: 'models/e', content: { parts: [{ text: 'b' }] } },
      ],
    })
  })

  it.each([
    [{ input: [1, 2, 3] }, 'input'],
    [{ input: [[1], [2]] }, 'input'],
    [{ input: ['a', 1] }, 'input'],
    [{ input: [] }, 'input'],
    [{}, 'input'],
    [{ input: 'a', encoding_format: 'int8' }, 'encoding_format'],
  ])('%j is refused', (body, param) => {
    expect(readOpenAiRequest(body)).toMatchObject({ ok: false, error: { code: 'invalid_value', param } })
  })
})

describe('Gemini requests for OpenAI', () => {
  it('one content is one input, its parts one text', () => {
    const read = value(
      readGeminiRequest(
        { content: { parts: [{ text: 'he' }, { text: 'llo' }] }, output_dimensionality: 8 },
        'embedContent',
      ),
    )
    expect(writeOpenAiRequest(read, 'text-embedding-3-small')).toEqual({
      model: 'text-embedding-3-small',
      dimensions: 8,
      encoding_format: 'float',
      input: ['hello'],
    })
    expect(read.losses.list).toEqual([])
  })

  it('a batch keeps its order, and what OpenAI has no word for is told once', () => {
    const requests = ['a', 'b'].map((text) => ({
      content: { parts: [{ text }] },
      taskType: 'RETRIEVAL_QUERY',
      outputDimensionality: 4,
    }))
    const read = value(readGeminiRequest({ requests }, 'batchEmbedContents'))
    expect(read).toMatchObject({ inputs: ['a', 'b'], dimensions: 4 })
    expect(read.losses.list).toEqual([{ at: 'taskType', reason: 'unsupported', refuse: false }])
  })

  it.each([
    [{ requests: [] }, 'requests'],
    [{ requests: [{ content: { parts: [{ inlineData: {} }] } }] }, 'requests[0].content'],
    [
      {
        requests: [
          { content: { parts: [{ text: 'a' }] }, outputDimensionality: 1 },
          { content: { parts: [{ text: 'b' }] } },
        ],
      },
      'requests',
    ],
  ])('%j is refused', (body, param) => {
    expect(readGeminiRequest(body, 'batchEmbedContents')).toMatchObject({ ok: false, error: { param } })
  })
})

describe('answers', () => {
  const vectors = [
    [0.5, -1.25],
    [0, 3],
  ]

  it('Gemini’s become OpenAI’s, as numbers or as base64', () => {
    const reply = value(
      readGeminiReply({
        embeddings: vectors.map((values) => ({ values })),
        usageMetadata: { promptTokenCount: 7 },
      }),
    )
    const numbers = writeOpenAiReply(reply, asked({ input: ['a', 'b'] }), 'e')
    expect(numbers).toEqual({
      isEstimated: false,
      body: {
        object: 'list',
        data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })),
        model: 'e',
        usage: { prompt_tokens: 7, total_tokens: 7 },
      },
    })
    const packed = writeOpenAiReply(reply, asked({ input: ['a', 'b'], encoding_format: 'base64' }), 'e')
    // 0.5 and -1.25 as IEEE 754 singles, little end first.
    const first = Buffer.from([0, 0, 0, 0x3f, 0, 0, 0xa0, 0xbf]).toString('base64')
    expect(packed.body).toMatchObject({ data: [{ index: 0, embedding: first }, { index: 1 }] })
  })

  it('a single embedding is an answer as well, and tokens that nobody told are estimated', () => {
    const reply = value(readGeminiReply({ embedding: { values: [1] } }))
    const written = writeOpenAiReply(reply, asked({ input: 'four characters' }), 'e')
    expect(written).toMatchObject({ isEstimated: true, body: { usage: { prompt_tokens: 4 } } })
  })

  it('OpenAI’s become Gemini’s in the order of their indices', () => {
    const data = [
      { index: 1, embedding: [2] },
      { index: 0, embedding: toBase64([1]) },
    ]
    const reply = value(readOpenAiReply({ data, usage: { prompt_tokens: 5 } }))
    const request = asked({ input: ['a', 'b'] })
    expect(writeGeminiReply(reply, request, 'batchEmbedContents')).toEqual({
      isEstimated: false,
      body: {
        embeddings: [{ values: [1] }, { values: [2] }],
        usageMetadata: { promptTokenCount: 5, totalTokenCount: 5 },
      },
    })
    expect(writeGeminiReply(reply, request, 'embedContent').body).toMatchObject({
      embedding: { values: [1] },
    })
  })

  it.each([{}, { data: [{ index: 0, embedding: null }] }, { data: [{ index: 3, embedding: [1] }] }])(
    '%j is no answer of OpenAI',
    (body) => {
      expect(readOpenAiReply(body).ok).toBe(false)
    },
  )

  it.each([{}, { embeddings: [{}] }, { embedding: { values: ['1'] } }])(
    '%j is no answer of Gemini',
    (body) => {
      expect(readGeminiReply(body).ok).toBe(false)
    },
  )

  it('base64 keeps every 32-bit float', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true }), { minLength: 1 }), (vector) => {
        expect(fromBase64(toBase64(vector))).toEqual(vector)
      }),
    )
    expect(fromBase64('AAA=')).toBeNull()
    expect(fromBase64('')).toBeNull()
  })
})

const RECORDED = join(FIXTURES, 'exchanges', 'openai-embeddings.jsonl')

describe.runIf(existsSync(RECORDED))('recorded embeddings', () => {
  const lines = (existsSync(RECORDED) ? readFileSync(RECORDED, 'utf8') : '')
    .split('\n')
    .filter(Boolean)
    .map(
      (line) =>
        JSON.parse(line) as {
          id: string
          request: { body: JsonObject }
          response: { status: number; body: JsonObject }
        },
    )
    .filter(({ response }) => response.status === 200)

  it.each(lines.map((line) => [line.id, line] as const))('%s comes back the same', (_id, line) => {
    const request = asked(line.request.body)
    const body = line.response.body
    const reply = value(readOpenAiReply(body))
    expect(writeOpenAiReply(reply, request, body['model'] as string).body).toEqual(body)
    // And through Gemini's words.
    const { method, body: sent } = writeGeminiRequest(request, 'e')
    expect(value(readGeminiRequest(sent, method)).inputs).toEqual(request.inputs)
    const passed = value(readGeminiReply(writeGeminiReply(reply, request, method).body))
    expect(passed).toEqual(reply)
  })
})
