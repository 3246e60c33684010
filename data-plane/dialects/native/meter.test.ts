import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DialectName } from '../canonical/request.ts'
import { NATIVE_ANSWERS } from './answers.ts'
import { glanceRequest, NATIVE_METER, weighBody, weighRequest, weighStream } from './meter.ts'

type Case = Readonly<{ body: object; head: readonly object[]; tail: readonly object[] }>

/** The same answer whole and streamed: 1,000 in of which 600 from the cache, 50 out of which 20 thought. */
const SAME: Readonly<Record<DialectName, Case>> = {
  'openai-chat': (() => {
    const usage = {
      prompt_tokens: 1_000,
      completion_tokens: 50,
      total_tokens: 1_050,
      prompt_tokens_details: { cached_tokens: 600 },
      completion_tokens_details: { reasoning_tokens: 20 },
    }
    return {
      body: { choices: [], usage },
      head: [{ choices: [{ delta: { content: 'Hi' } }], usage: null }],
      tail: [
        { choices: [{ delta: {}, finish_reason: 'stop' }], usage: null },
        { choices: [], usage },
      ],
    }
  })(),
  'openai-responses': (() => {
    const usage = {
      input_tokens: 1_000,
      input_tokens_details: { cached_tokens: 600 },
      output_tokens: 50,
      output_tokens_details: { reasoning_tokens: 20 },
      total_tokens: 1_050,
    }
    return {
      body: { output: [], usage, user: null },
      head: [{ type: 'response.created', response: { usage: null } }],
      tail: [{ type: 'response.completed', response: { output: [], usage, metadata: {} } }],
    }
  })(),
  anthropic: (() => {
    const input = { input_tokens: 400, cache_read_input_tokens: 600, cache_creation_input_tokens: 0 }
    const output = { output_tokens: 50, output_tokens_details: { thinking_tokens: 20 } }
    return {
      body: { content: [], usage: { ...input, ...output } },
      head: [{ type: 'message_start', message: { usage: { ...input, output_tokens: 1 } } }],
      tail: [{ type: 'message_delta', delta: {}, usage: output }, { type: 'message_stop' }],
    }
  })(),
  gemini: (() => {
    const usageMetadata = {
      promptTokenCount: 1_000,
      cachedContentTokenCount: 600,
      candidatesTokenCount: 30,
      thoughtsTokenCount: 20,
      totalTokenCount: 1_050,
    }
    return {
      body: { candidates: [], usageMetadata },
      head: [{ candidates: [], usageMetadata: { ...usageMetadata, candidatesTokenCount: 1 } }],
      tail: [{ candidates: [{ finishReason: 'STOP' }], usageMetadata }],
    }
  })(),
}
const DIALECTS = ['openai-chat', 'openai-responses', 'anthropic', 'gemini'] as const
const sse = (events: readonly object[]): string =>
  events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
const EXPECTED = { input: 1_000, output: 50, cacheRead: 600, cacheWrite: 0, reasoning: 20 }

describe.each(DIALECTS)('the meter of %s', (dialect) => {
  const meter = NATIVE_METER[dialect]
  const { body, head, tail } = SAME[dialect]
  const ofBody = (bytes: Buffer) => meter.ofBody(NATIVE_ANSWERS[dialect].judgeBody(bytes).usage)

  test('reads the same from a whole answer and from its stream', () => {
    expect(ofBody(Buffer.from(JSON.stringify(body)))).toMatchObject(EXPECTED)
    expect(meter.ofStream(sse(head), sse([...head, ...tail]))).toMatchObject(EXPECTED)
    expect(meter.ofStream(sse(head), sse(tail).replaceAll('\n', '\r\n'))).toMatchObject(EXPECTED)
  })

  test('reads nothing where nothing is told', () => {
    expect(ofBody(Buffer.from('{"choices":[],"output":[],"content":[]}'))).toBeNull()
    expect(meter.ofStream('', '')).toBeNull()
    expect(meter.ofStream('', 'data: [DONE]\n\n')).toBeNull()
    expect(ofBody(Buffer.from('{"usage":null,"usageMetadata":null}'))).toBeNull()
  })

  test('is not fooled by what a model or a client wrote', () => {
    const lie = { usage: { prompt_tokens: 1, input_tokens: 1, output_tokens: 1 }, usageMetadata: {} }
    const spoken = JSON.stringify(lie)
    const nested = { content: [{ type: 'tool_use', input: lie }], choices: [lie], text: spoken }
    expect(ofBody(Buffer.from(JSON.stringify({ ...nested, ...body, after: nested })))).toMatchObject(EXPECTED)
    const said = { type: 'content_block_delta', delta: { text: spoken, input: lie } }
    expect(meter.ofStream(sse(head), sse([...tail, said]))).toMatchObject(EXPECTED)
  })

  test('survives whatever bytes there are', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        const text = `${before}"usage":{"usageMetadata":${after}`
        ofBody(Buffer.from(`{${text}}`))
        meter.ofStream(text, `data: ${text}\n\n`)
      }),
    )
  })
})

test('the usage of a Response is found though the event that tells it began before what was kept', () => {
  const { tail } = SAME['openai-responses']
  const text = sse(tail)
  expect(NATIVE_METER['openai-responses'].ofStream('', text.slice(40))).toMatchObject(EXPECTED)
})

describe('an estimate', () => {
  const words = 'word '.repeat(80)

  test('weighs what a chat answer says, not what is around it', () => {
    const body = Buffer.from(
      JSON.stringify({ id: 'x'.repeat(500), choices: [{ message: { content: words } }] }),
    )
    expect(weighBody(body)).toBe(100)
  })

  test.each([
    ['chat', { choices: [{ delta: { content: 'word' } }] }],
    ['chat’s reasoning', { choices: [{ delta: { reasoning_content: 'word' } }] }],
    ['chat’s calls', { choices: [{ delta: { tool_calls: [{ function: { arguments: 'word' } }] } }] }],
    ['Anthropic', { type: 'content_block_delta', delta: { type: 'text_delta', text: 'word' } }],
    ['Responses', { type: 'response.output_text.delta', delta: 'word' }],
    ['Gemini', { candidates: [{ content: { parts: [{ text: 'word' }] } }] }],
  ])('weighs a stream of %s by its words', (_what, event) => {
    const text = sse(Array.from({ length: 50 }, () => event))
    expect(weighStream(text, text.length)).toBeCloseTo(50, 0)
    // Only the second half was kept.
    expect(weighStream(text.slice(text.length / 2), text.length)).toBeCloseTo(50, 0)
  })

  test('does not weigh twice what Responses say again at the end', () => {
    const event = { type: 'response.output_text.done', text: words }
    expect(weighStream(sse([event]), 1_000)).toBe(0)
  })

  test('takes a picture in a request for a picture, not for text', () => {
    const url = `data:image/png;base64,${'A'.repeat(100_000)}`
    const tokens = weighRequest(Buffer.from(JSON.stringify({ text: words, url })))
    expect(tokens).toBeGreaterThan(1_200)
    expect(tokens).toBeLessThan(1_300)
  })
})

describe('a glance at a request', () => {
  const chat = (...parts: readonly object[]): Buffer =>
    Buffer.from(JSON.stringify({ model: 'm', messages: [{ role: 'user', content: parts }] }))
  const words = (bytes: number): object => ({ type: 'text', text: 'so many words, '.repeat(bytes / 15) })
  const picture = (bytes: number): object => ({
    type: 'image_url',
    image_url: { url: `data:image/png;base64,${Buffer.alloc(bytes, 'picture').toString('base64')}` },
  })

  test('is the weight of a short one', () => {
    for (const body of [chat(), chat(words(1_000)), chat(words(300), picture(3_000))])
      expect(glanceRequest(body)).toBe(weighRequest(body))
  })

  test('is near the weight of a long one, and takes no picture for words', () => {
    for (const body of [
      chat(words(100_000)),
      chat(words(1_000), picture(2_000_000)),
      chat(picture(60_000)),
    ]) {
      const [glance, weight] = [glanceRequest(body), weighRequest(body)]
      expect(glance).toBeGreaterThan(weight * 0.4)
      expect(glance).toBeLessThan(weight + body.length * 0.03)
    }
  })
})
