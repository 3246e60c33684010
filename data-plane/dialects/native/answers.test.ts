import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DialectName } from '../canonical/request.ts'
import {
  EMBEDDINGS_JUDGE,
  judgeTokenCount,
  NATIVE_ANSWERS,
  type BodyVerdict,
  type Ending,
  type Verdict,
} from './answers.ts'

const event = (data: object, name = ''): { event: string; data: string } => ({
  event: name,
  data: JSON.stringify(data),
})

describe('a whole answer', () => {
  test.each<[DialectName, BodyVerdict, string]>([
    ['openai-chat', 'answer', '{"choices":[],"error":null}'],
    ['openai-chat', 'error', '{"error":{"message":"no"},"choices":[]}'],
    ['openai-chat', 'neither', '{"choices":null}'],
    ['openai-chat', 'not_json', '{"choices":['],
    ['openai-responses', 'answer', '{"id":"resp_1","error":null,"output":[],"status":"queued"}'],
    [
      'openai-responses',
      'error',
      '{"id":"resp_1","error":{"code":"server_error"},"output":[],"status":"failed"}',
    ],
    ['openai-responses', 'neither', '{"choices":[]}'],
    ['anthropic', 'answer', '{"type":"message","content":[]}'],
    ['anthropic', 'error', '{"type":"error","error":{"type":"overloaded_error"}}'],
    ['anthropic', 'neither', '{"type":"message"}'],
    ['gemini', 'answer', '{"candidates":[{}]}'],
    ['gemini', 'answer', '{"promptFeedback":{"blockReason":"SAFETY"}}'],
    ['gemini', 'error', '{"error":{"code":429}}'],
    ['gemini', 'neither', '{"usageMetadata":{}}'],
  ])('of %s is judged %s: %s', (dialect, verdict, body) => {
    expect(NATIVE_ANSWERS[dialect].judgeBody(Buffer.from(body)).verdict).toBe(verdict)
  })

  test.each([
    [EMBEDDINGS_JUDGE['openai-chat'], '{"object":"list","data":[]}', 'answer'],
    [EMBEDDINGS_JUDGE['openai-chat'], '{"embedding":{"values":[]}}', 'answer'],
    [EMBEDDINGS_JUDGE['openai-chat'], '{"object":"list"}', 'neither'],
    [judgeTokenCount, '{"input_tokens":7}', 'answer'],
    [judgeTokenCount, '{"totalTokens":0}', 'answer'],
    [judgeTokenCount, '{"error":{"message":"no"}}', 'error'],
  ])('of another call is known by its member', (judge, body, verdict) => {
    expect(judge(Buffer.from(body)).verdict).toBe(verdict)
  })
})

describe('the usage of a whole answer', () => {
  const usage = '{"input_tokens": 7, "of":"caf\u00e9"}'

  test.each<[DialectName, string]>([
    ['openai-chat', `{"choices":[{"usage":1}],"usage":${usage}}`],
    ['openai-responses', `{"usage" : ${usage} ,"output":[],"usageMetadata":{}}`],
    ['anthropic', `{"type":"message","usage":${usage},"content":[]}`],
    ['gemini', `{"candidates":[],"usageMetadata":${usage},"usage":{}}`],
  ])('of %s is found with the verdict: %s', (dialect, body) => {
    expect(NATIVE_ANSWERS[dialect].judgeBody(Buffer.from(body))).toEqual({ verdict: 'answer', usage })
  })

  test.each<[DialectName, string]>([
    ['openai-chat', '{"choices":[]}'],
    ['openai-chat', `{"choices":[{"usage":${usage}}],"usageMetadata":${usage}}`],
    ['openai-chat', `{"usage":${usage},"choices":[],"usage":${usage}}`],
    ['anthropic', `{"usage":${usage},"content":[],"usage":null}`],
    ['gemini', `{"candidates":[],"usage":${usage}}`],
  ])('of %s is none where it is not told, or told twice, and the answer still one: %s', (dialect, body) => {
    expect(NATIVE_ANSWERS[dialect].judgeBody(Buffer.from(body))).toEqual({ verdict: 'answer', usage: null })
  })

  test('is what embeddings of either dialect say', () => {
    const body = Buffer.from(`{"data":[],"usage":${usage},"usageMetadata":{"promptTokenCount":1}}`)
    expect(EMBEDDINGS_JUDGE['openai-chat'](body).usage).toBe(usage)
    expect(EMBEDDINGS_JUDGE.gemini(body).usage).toBe('{"promptTokenCount":1}')
  })

  test('does not make an answer of what names another member twice', () => {
    const body = Buffer.from(`{"choices":[],"choices":[],"usage":${usage},"usage":${usage}}`)
    expect(NATIVE_ANSWERS['openai-chat'].judgeBody(body)).toEqual({ verdict: 'not_json', usage: null })
  })
})

describe('an event', () => {
  test.each<[DialectName, Verdict, { event: string; data: string }]>([
    ['openai-responses', 'hold', event({ type: 'response.created' }, 'response.created')],
    ['openai-responses', 'hold', event({ type: 'response.in_progress' })],
    ['openai-responses', 'content', event({ type: 'response.output_item.added' })],
    ['openai-responses', 'content', event({ type: 'response.completed' })],
    ['openai-responses', 'content', event({ type: 'response.of_next_year' })],
    ['openai-responses', 'error', event({ type: 'response.failed', response: { error: {} } })],
    ['openai-responses', 'error', event({ type: 'error', error: {} }, 'error')],
    ['openai-responses', 'error', event({ error: { message: 'no' } })],
    ['openai-responses', 'hold', { event: '', data: '[DONE]' }],
    ['anthropic', 'hold', event({ type: 'message_start' }, 'message_start')],
    ['anthropic', 'hold', event({ type: 'ping' }, 'ping')],
    ['anthropic', 'content', event({ type: 'content_block_start' }, 'content_block_start')],
    ['anthropic', 'content', event({ type: 'message_delta' }, 'message_delta')],
    ['anthropic', 'error', event({ type: 'error', error: { type: 'overloaded_error' } }, 'error')],
    ['gemini', 'content', event({ candidates: [{ content: { parts: [{ text: '' }] } }] })],
    ['gemini', 'content', event({ candidates: [{ finishReason: 'STOP' }] })],
    ['gemini', 'content', event({ promptFeedback: { blockReason: 'SAFETY' } })],
    ['gemini', 'hold', event({ usageMetadata: {} })],
    ['gemini', 'hold', event({ candidates: [{ content: { parts: [] } }] })],
    ['gemini', 'error', event({ error: { code: 503, status: 'UNAVAILABLE' } })],
  ])('of %s means %s', (dialect, verdict, one) => {
    expect(NATIVE_ANSWERS[dialect].judgeEvent(one)).toBe(verdict)
  })
})

describe('the end of a stream', () => {
  test.each<[DialectName, Ending, string]>([
    ['openai-responses', 'finished', 'event: response.completed\ndata: {"type":"response.completed"}\n\n'],
    ['openai-responses', 'finished', 'data: {"type": "response.incomplete"}\n\n'],
    ['openai-responses', 'error_told', 'data: {"type":"response.failed"}\n\n'],
    ['openai-responses', 'broken', 'data: {"type":"response.output_text.delta"}\n\n'],
    ['anthropic', 'finished', 'event: message_stop\ndata: {"type":"message_stop"}\n\n'],
    ['anthropic', 'error_told', 'event: error\ndata: {"type":"error","error":{}}\n\n'],
    ['anthropic', 'broken', 'event: message_delta\ndata: {"type":"message_delta"}\n\n'],
    ['gemini', 'finished', 'data: {"candidates":[{"finishReason":"STOP"}]}\r\n\r\n'],
    ['gemini', 'finished', 'data: {"promptFeedback":{"blockReason":"SAFETY"}}\r\n\r\n'],
    ['gemini', 'error_told', 'data: {"error":{"code":500}}\r\n\r\n'],
    ['gemini', 'broken', 'data: {"candidates":[{"content":{}}]}\r\n\r\n'],
  ])('of %s is %s', (dialect, ending, tail) => {
    expect(NATIVE_ANSWERS[dialect].endingOf(tail)).toBe(ending)
  })

  test('in the words of an answer is no end', () => {
    const quoted = JSON.stringify({ type: 'content_block_delta', delta: { text: '"type":"message_stop"' } })
    expect(NATIVE_ANSWERS.anthropic.endingOf(`data: ${quoted}\n\n`)).toBe('broken')
  })

  test('of a chat is what the lines say, wherever their pieces stand', () => {
    const pieces = ['data:', 'data: ', '[DONE]', '{"error":', '"finish_reason":', '"error"', '"stop"', 'ror"']
    const text = fc.array(fc.constantFrom(...pieces, ' ', '\n', '\r', 'null', 'x')).map((all) => all.join(''))
    const byPatterns = (tail: string): Ending =>
      /^data: ?\{"error":/m.test(tail) || /"finish_reason": ?"error"/.test(tail)
        ? 'error_told'
        : /^data: ?\[DONE\]/m.test(tail) || /"finish_reason": ?"/.test(tail)
          ? 'finished'
          : 'broken'
    fc.assert(
      fc.property(text, (tail) => {
        expect(NATIVE_ANSWERS['openai-chat'].endingOf(tail)).toBe(byPatterns(tail))
      }),
      { numRuns: 5_000 },
    )
  })
})
