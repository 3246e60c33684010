import { describe, expect, it } from 'vitest'
import { ASKED, readContext } from '#test/conformance/contexts.ts'
import { hasRecordings, recordingsOf } from '#test/conformance/recordings.ts'
import { gemini } from './gemini.ts'
import { numberOf, objectOf } from './canonical/json.ts'
import type { CanonicalRequest, Part } from './canonical/request.ts'
import {
  estimateText,
  estimateTokens,
  fromCountBody,
  readCount,
  toCountBody,
  writeCount,
} from './token-count.ts'

describe('bodies', () => {
  it('Anthropic’s is the message without what only generating needs', () => {
    const body = {
      model: 'm',
      max_tokens: 5,
      stream: true,
      temperature: 1,
      metadata: {},
      system: 's',
      tools: [],
      messages: [],
    }
    expect(toCountBody('anthropic', body, 'm')).toEqual({ model: 'm', system: 's', tools: [], messages: [] })
  })

  it('Responses’ keeps what is read', () => {
    const body = {
      model: 'm',
      instructions: 'i',
      input: 'x',
      stream: true,
      store: false,
      max_output_tokens: 5,
    }
    expect(toCountBody('openai-responses', body, 'm')).toEqual({ model: 'm', instructions: 'i', input: 'x' })
  })

  it('Gemini’s wraps the request and names the model', () => {
    expect(toCountBody('gemini', { contents: [] }, 'models/g')).toEqual({
      generateContentRequest: { model: 'models/g', contents: [] },
    })
  })

  it('chat has none', () => {
    expect(toCountBody('openai-chat', { messages: [] }, 'm')).toBeNull()
  })

  it.each([
    ['anthropic', { messages: [] }, { messages: [] }],
    ['gemini', { contents: [] }, { contents: [] }],
    ['gemini', { generateContentRequest: { contents: [] } }, { contents: [] }],
    ['gemini', { generate_content_request: { contents: [] } }, { contents: [] }],
  ] as const)('of a client of %s, %j is about %j', (dialect, body, about) => {
    expect(fromCountBody(dialect, body)).toEqual({ ok: true, value: about })
  })

  it.each([{ generateContentRequest: 1 }, { generateContentRequest: {}, contents: [] }])(
    'of a client of gemini, %j is refused',
    (body) => {
      expect(fromCountBody('gemini', body)).toMatchObject({
        ok: false,
        error: { param: 'generateContentRequest' },
      })
    },
  )
})

describe('answers', () => {
  it.each(['anthropic', 'gemini', 'openai-responses'] as const)('of %s tell what was counted', (dialect) => {
    expect(readCount(dialect, writeCount(dialect, 17))).toBe(17)
    expect(readCount(dialect, {})).toBeNull()
    expect(readCount(dialect, { totalTokens: 'many', input_tokens: -1 })).toBeNull()
  })

  it('OpenAI’s is an object of its kind', () => {
    expect(writeCount('openai-responses', 3)).toEqual({ object: 'response.input_tokens', input_tokens: 3 })
  })
})

describe('estimates', () => {
  const of = (...parts: Part[]): number =>
    estimateTokens({ ...ASKED, turns: [{ role: 'user', parts }] }) - estimateTokens(empty)
  const empty: CanonicalRequest = { ...ASKED, turns: [{ role: 'user', parts: [] }] }

  it.each([
    ['', 0],
    ['four', 1],
    ['привет', 3],
    ['漢字', 2],
    ['🎉', 1.5],
  ])('of %j is %d', (text, tokens) => {
    expect(estimateText(text)).toBe(tokens)
  })

  it('grows with everything that is sent', () => {
    const call = { kind: 'tool-call', id: 'c', name: 'f', args: '{"a":1}', isCustom: false } as const
    const result = {
      kind: 'tool-result',
      callId: 'c',
      content: [{ kind: 'text', text: 'a long result' }],
      isError: false,
      isCustom: false,
    } as const
    const image = { kind: 'media', media: 'image', source: { kind: 'base64', data: 'AAAA' } } as const
    for (const part of [call, result, image]) expect(of(part), part.kind).toBeGreaterThan(4)
    const tool = { kind: 'function', name: 'f', parameters: { type: 'object' } } as const
    expect(estimateTokens({ ...empty, tools: [tool] })).toBeGreaterThan(estimateTokens(empty))
    expect(estimateTokens({ ...empty, system: [{ text: 'be brief', role: 'system' }] })).toBeGreaterThan(
      estimateTokens(empty),
    )
    const schema = { kind: 'schema', schema: { type: 'object' } } as const
    expect(estimateTokens({ ...empty, format: schema })).toBeGreaterThan(estimateTokens(empty))
  })

  it('measures documents, sound and film by their size', () => {
    const bytes = 'A'.repeat(400_000)
    const media = (kind: 'document' | 'audio' | 'video', data: string): number =>
      of({ kind: 'media', media: kind, source: { kind: 'base64', data } })
    expect(media('document', bytes)).toBe(6 * 1_500)
    expect(media('audio', bytes)).toBe(600)
    expect(media('video', bytes)).toBe(362)
    expect(of({ kind: 'media', media: 'document', source: { kind: 'text', text: 'abcd' } })).toBe(1)
    expect(of({ kind: 'media', media: 'video', source: { kind: 'url', url: 'https://x/y' } })).toBe(9_000)
  })
})

describe.runIf(hasRecordings)('estimates of recorded requests', () => {
  const pairs = recordingsOf('gemini').flatMap(({ id, request, body }) => {
    const counted = numberOf(objectOf(body?.['usageMetadata'])['promptTokenCount']) ?? 0
    const read = request === null ? null : gemini.readRequest(request, readContext())
    if (read?.ok !== true || counted === 0) return []
    const { turns, format, tools } = read.value
    // Media go by size, server tools bring instructions of their own, and some models get schemas for nothing.
    const isText = turns.every(({ parts }) => parts.every((part) => !hasMedia(part)))
    if (!isText || format !== undefined || tools.some(({ kind }) => kind === 'native')) return []
    return [{ id, estimated: estimateTokens(read.value), counted }]
  })

  it('are all together within a quarter of what Google counted', () => {
    const sum = (key: 'estimated' | 'counted') => pairs.reduce((total, pair) => total + pair[key], 0)
    expect(pairs.length).toBeGreaterThan(25)
    expect(Math.abs(sum('estimated') / sum('counted') - 1), JSON.stringify(pairs)).toBeLessThan(0.25)
  })
})

const hasMedia = (part: Part): boolean =>
  part.kind === 'media' || (part.kind === 'tool-result' && part.content.some(({ kind }) => kind === 'media'))
