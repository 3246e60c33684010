import { describe, expect, test } from 'vitest'
import type { Usage } from '../canonical/reply.ts'
import { errorFrame, pathOf, writeError } from './errors.ts'
import {
  mergeUsage,
  readCache,
  readCitation,
  readFinish,
  readTier,
  readUsage,
  writeCache,
  writeCitation,
  writeDeltaUsage,
  writeFinish,
  writeUsage,
} from './terms.ts'

describe('why an answer ended', () => {
  test.each([
    ['end_turn', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'context-full'],
    ['stop_sequence', 'stop-sequence'],
    ['tool_use', 'tool-calls'],
    ['pause_turn', 'pause'],
    ['refusal', 'content-filter'],
  ] as const)('%s is %s, and back', (reason, kind) => {
    const finish = readFinish({ stop_reason: reason, stop_sequence: null })
    expect(finish.kind).toBe(kind)
    expect(writeFinish(finish, { call: false, refusal: false }).reason).toBe(reason)
  })

  test.each([
    ['other', 'end_turn'],
    ['refusal', 'refusal'],
  ] as const)('%s is %s', (kind, reason) => {
    expect(writeFinish({ kind }, { call: false, refusal: false }).reason).toBe(reason)
  })

  test.each(['novelty', '', null])('%j is something else', (reason) => {
    expect(readFinish({ stop_reason: reason }).kind).toBe('other')
  })

  test('a stop with a call is tool_use, with a refusal is refusal', () => {
    expect(writeFinish({ kind: 'stop' }, { call: true, refusal: false }).reason).toBe('tool_use')
    expect(writeFinish({ kind: 'stop' }, { call: false, refusal: true }).reason).toBe('refusal')
    expect(writeFinish({ kind: 'length' }, { call: true, refusal: false }).reason).toBe('max_tokens')
  })

  test('the sequence met and the refusal’s reasons are told', () => {
    expect(writeFinish({ kind: 'stop-sequence', sequence: 'END' }, { call: false, refusal: false })).toEqual({
      reason: 'stop_sequence',
      sequence: 'END',
      details: null,
    })
    expect(
      writeFinish({ kind: 'content-filter', explanation: 'No.' }, { call: false, refusal: false }).details,
    ).toEqual({
      type: 'refusal',
      category: null,
      explanation: 'No.',
    })
  })
})

describe('usage', () => {
  const usage: Usage = {
    input: 60,
    output: 20,
    cacheRead: 10,
    cacheWrite: 30,
    cacheWriteLong: 25,
    reasoning: 7,
    inputAudio: 0,
    outputAudio: 0,
    native: {},
  }

  test('counts the cache in, and out again', () => {
    const written = writeUsage(usage, 'default')
    expect(written).toMatchObject({
      input_tokens: 20,
      cache_read_input_tokens: 10,
      cache_creation_input_tokens: 30,
      cache_creation: { ephemeral_5m_input_tokens: 5, ephemeral_1h_input_tokens: 25 },
      output_tokens: 20,
      output_tokens_details: { thinking_tokens: 7 },
      service_tier: 'standard',
    })
    expect({ ...readUsage(written), native: {} }).toEqual(usage)
  })

  test('of the cache is also read from its parts', () => {
    const creation = { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 2 }
    expect(readUsage({ input_tokens: 4, cache_creation: creation })).toMatchObject({
      input: 7,
      cacheWrite: 3,
      cacheWriteLong: 2,
    })
  })

  test('that nobody told is nothing, but there', () => {
    expect(writeDeltaUsage(null)).toMatchObject({ input_tokens: 0, output_tokens: 0 })
  })

  test('a later null takes nothing back', () => {
    expect(mergeUsage({ input_tokens: 5 }, { input_tokens: null, output_tokens: 2 })).toEqual({
      input_tokens: 5,
      output_tokens: 2,
    })
  })

  test.each([
    [{ service_tier: 'standard' }, 'default'],
    [{ service_tier: 'priority' }, 'priority'],
    [{ service_tier: 'novel' }, 'novel'],
    [{}, null],
  ])('the tier of %j is %s', (told, tier) => {
    expect(readTier(told)).toBe(tier)
  })
})

test.each([
  [{ type: 'ephemeral' }, null],
  [{ type: 'ephemeral', ttl: '5m' }, 'short'],
  [{ type: 'ephemeral', ttl: '1h' }, 'long'],
] as const)('the cache mark %j is read and written', (mark, ttl) => {
  expect(readCache(mark)).toEqual({ ttl })
  expect(writeCache({ ttl })).toEqual(mark)
})

describe('citations', () => {
  test('of Anthropic’s own go back as they came', () => {
    const value = {
      type: 'page_location',
      cited_text: 'c',
      document_index: 1,
      document_title: 't',
      start_page_number: 1,
      end_page_number: 2,
    }
    const citation = readCitation(value, 9)
    expect(citation).toMatchObject({ kind: 'document', title: 't', citedText: 'c', start: 0, end: 9 })
    expect(writeCitation(citation, 'whatever')).toBe(value)
  })

  test('of a document of another vendor name it', () => {
    expect(writeCitation({ kind: 'document', title: 'a.pdf', start: 0, end: 3 }, 'abcdef')).toMatchObject({
      type: 'search_result_location',
      source: 'a.pdf',
      cited_text: 'abc',
    })
  })
})

describe('errors', () => {
  test.each([
    [{ code: 'invalid_api_key' }, 401, 'authentication_error'],
    [{ code: 'model_not_found' }, 404, 'not_found_error'],
    [{ code: 'permission_denied' }, 403, 'permission_error'],
    [{ code: 'body_too_large' }, 413, 'request_too_large'],
    [{ code: 'rate_limit_exceeded' }, 429, 'rate_limit_error'],
    [{ code: 'upstream_overloaded' }, 529, 'overloaded_error'],
    [{ code: 'upstream_timeout' }, 504, 'timeout_error'],
    [{ code: 'upstream_error' }, 500, 'api_error'],
    [{ code: 'internal_error' }, 500, 'api_error'],
    [{ code: 'context_length_exceeded' }, 400, 'invalid_request_error'],
    [{ code: 'unsupported_encoding' }, 415, 'invalid_request_error'],
    [{ code: 'upstream_error', status: 402 }, 402, 'billing_error'],
    [{ code: 'not_ready' }, 503, 'api_error'],
  ] as const)('%j has status %d and type %s', (problem, status, type) => {
    const written = writeError(problem, 'req_1')
    expect(written.status).toBe(status)
    expect(JSON.parse(written.body)).toMatchObject({ type: 'error', error: { type }, request_id: 'req_1' })
  })

  test('name the parameter at fault', () => {
    const written = writeError({ code: 'invalid_value', message: 'must be a list', param: 'messages' }, 'r')
    expect(JSON.parse(written.body)).toMatchObject({ error: { message: 'messages: must be a list' } })
  })

  test('in a stream are one frame', () => {
    expect(errorFrame({ code: 'internal_error' }, 'r')).toMatch(/^event: error\ndata: \{.*\}\n\n$/)
  })
})

test.each([
  ['params.topK', 'top_k'],
  ['params.temperature', 'temperature'],
  ['params.stop', 'stop_sequences'],
  ['turns[3].parts[0]', 'messages.3.content.0'],
  ['turns[3]', 'messages.3'],
  ['turns', 'messages'],
  ['tools[1]', 'tools.1'],
  ['reasoning.effort', 'output_config.effort'],
  ['toolChoice', 'tool_choice'],
  ['format', 'output_config.format'],
  ['container', 'container'],
])('%s is %s to an Anthropic client', (at, path) => {
  expect(pathOf(at)).toBe(path)
})
