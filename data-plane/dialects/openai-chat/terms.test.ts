import { describe, expect, test } from 'vitest'
import type { FinishKind } from '../canonical/reply.ts'
import {
  readCacheMark,
  readCitations,
  readFinish,
  readLogprobs,
  readUsage,
  writeCitations,
  writeFinish,
  writeLogprobs,
  writeUsage,
} from './terms.ts'

const SILENT = { calls: false, refusal: false }
const CALLS = { calls: true, refusal: false }
const REFUSAL = { calls: false, refusal: true }

describe('a finish reason', () => {
  test.each([
    ['stop', SILENT, 'stop'],
    ['stop', CALLS, 'tool-calls'],
    ['stop', REFUSAL, 'refusal'],
    ['tool_calls', CALLS, 'tool-calls'],
    ['function_call', CALLS, 'tool-calls'],
    ['length', CALLS, 'length'],
    ['length', REFUSAL, 'length'],
    ['model_length', SILENT, 'context-full'],
    ['content_filter', REFUSAL, 'content-filter'],
    ['error', SILENT, 'other'],
    ['error', CALLS, 'tool-calls'],
    ['constructor', SILENT, 'other'],
    [null, SILENT, 'stop'],
  ] as const)('%s beside %o is read as %s', (reason, said, kind) => {
    expect(readFinish(reason, said)).toEqual({ kind })
  })

  test.each<readonly [FinishKind, typeof SILENT, string]>([
    ['stop', SILENT, 'stop'],
    ['stop', CALLS, 'tool_calls'],
    ['stop-sequence', SILENT, 'stop'],
    ['length', CALLS, 'length'],
    ['context-full', SILENT, 'length'],
    ['tool-calls', CALLS, 'tool_calls'],
    ['content-filter', SILENT, 'content_filter'],
    ['refusal', REFUSAL, 'stop'],
    ['refusal', SILENT, 'content_filter'],
    ['pause', SILENT, 'stop'],
    ['other', SILENT, 'stop'],
    ['other', CALLS, 'tool_calls'],
  ])('%s beside %o is written as %s', (kind, said, reason) => {
    expect(writeFinish({ kind }, said, false)).toBe(reason)
  })

  test('is function_call for whoever sent functions', () => {
    expect(writeFinish({ kind: 'tool-calls' }, CALLS, true)).toBe('function_call')
    expect(writeFinish({ kind: 'stop' }, SILENT, true)).toBe('stop')
  })
})

describe('usage', () => {
  test.each([
    [
      'OpenAI',
      {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 4, audio_tokens: 1, cache_write_tokens: 2 },
        completion_tokens_details: { reasoning_tokens: 3, audio_tokens: 1 },
      },
      { input: 10, output: 5, cacheRead: 4, cacheWrite: 2, reasoning: 3, inputAudio: 1, outputAudio: 1 },
    ],
    [
      'xAI, whose thought stands beside its completion',
      {
        prompt_tokens: 291,
        completion_tokens: 26,
        total_tokens: 506,
        completion_tokens_details: { reasoning_tokens: 189 },
      },
      { input: 291, output: 215, reasoning: 189 },
    ],
    [
      'Google, whose thought stands in the total only',
      { prompt_tokens: 66, completion_tokens: 6, total_tokens: 100 },
      { input: 66, output: 34, reasoning: 28 },
    ],
    [
      'Moonshot',
      { prompt_tokens: 20, completion_tokens: 30, total_tokens: 50, cached_tokens: 10 },
      { cacheRead: 10, output: 30 },
    ],
    [
      'DeepSeek',
      { prompt_tokens: 976, completion_tokens: 61, total_tokens: 1037, prompt_cache_hit_tokens: 896 },
      { cacheRead: 896 },
    ],
    [
      'a host that leaves the total out',
      { prompt_tokens: 1, completion_tokens: 2 },
      { input: 1, output: 2, reasoning: 0 },
    ],
  ])('of %s is read', (_, native, expected) => {
    expect(readUsage(native)).toMatchObject({ ...expected, native })
  })

  test('that is none is none', () => {
    for (const none of [null, undefined, 'x', {}, []]) expect(readUsage(none)).toBeNull()
  })

  test('is written with a total that adds up, and read again the same', () => {
    const usage = {
      input: 10,
      output: 5,
      cacheRead: 4,
      cacheWrite: 2,
      cacheWriteLong: 0,
      reasoning: 3,
      inputAudio: 1,
      outputAudio: 1,
      native: {},
    }
    expect(writeUsage(usage)).toMatchObject({ total_tokens: 15 })
    expect(readUsage(writeUsage(usage))).toEqual({ ...usage, native: writeUsage(usage) })
  })
})

test('log probabilities are read from text and refusal, and written back', () => {
  const token = {
    token: 'a',
    logprob: -0.5,
    bytes: [97],
    top_logprobs: [{ token: 'b', logprob: -1, bytes: null }],
  }
  const read = readLogprobs({ content: [token], refusal: [token] })
  expect(read).toHaveLength(2)
  expect(read?.[0]).toEqual({
    token: 'a',
    logprob: -0.5,
    bytes: [97],
    top: [{ token: 'b', logprob: -1, bytes: null }],
  })
  expect(writeLogprobs(read ?? [])).toEqual({ content: [token, token], refusal: null })
  expect(readLogprobs({ content: null, refusal: null })).toBeNull()
  expect(readLogprobs(null)).toBeNull()
})

test.each([
  [{ prompt_cache_breakpoint: { mode: 'explicit' } }, { ttl: null }],
  [{ prompt_cache_breakpoint: { mode: 'explicit', ttl: '30m' } }, { ttl: 'short' }],
  [{ prompt_cache_breakpoint: { mode: 'explicit', ttl: '12h' } }, { ttl: 'long' }],
  [{ cache_control: { type: 'ephemeral', ttl: '1h' } }, { ttl: 'long' }],
  [{ cache_control: { type: 'ephemeral', ttl: '5m' } }, { ttl: 'short' }],
  [{}, undefined],
])('the cache mark of %j is %j', (part, mark) => {
  expect(readCacheMark(part)).toEqual(mark)
})

test('citations of addresses are placed in the whole content; others are left out, for SDKs refuse them', () => {
  const annotation = {
    type: 'url_citation',
    url_citation: { url: 'u', title: 't', start_index: 1, end_index: 3 },
  }
  expect(readCitations([annotation, { type: 'file_citation' }])).toEqual([
    {
      kind: 'url',
      url: 'u',
      title: 't',
      start: 1,
      end: 3,
      native: { dialect: 'openai-chat', value: annotation },
    },
  ])
  expect(
    writeCitations(
      [
        { kind: 'url', url: 'u', title: 't', start: 1, end: 3 },
        { kind: 'url', url: 'v' },
        { kind: 'document', title: 'd' },
      ],
      10,
      7,
    ),
  ).toEqual([
    { type: 'url_citation', url_citation: { url: 'u', title: 't', start_index: 11, end_index: 13 } },
    { type: 'url_citation', url_citation: { url: 'v', title: '', start_index: 10, end_index: 17 } },
  ])
})
