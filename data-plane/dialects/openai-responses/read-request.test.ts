import { describe, expect, test } from 'vitest'
import { openSealer } from '#test/arbitraries/canonical.ts'
import { readContext } from '#test/conformance/contexts.ts'
import type { Carrier } from '../canonical/carrier.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import { readRequest } from './read-request.ts'

function read(body: JsonObject): CanonicalRequest {
  const result = readRequest(body, readContext())
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

const items = (...input: readonly JsonValue[]): CanonicalRequest => read({ input })

const faultOf = (body: JsonObject) => {
  const result = readRequest(body, readContext())
  return result.ok ? null : result.error.param
}

describe('the input of a Responses request', () => {
  test('may be one text', () => {
    expect(read({ input: 'hi' }).turns).toEqual([{ role: 'user', parts: [{ kind: 'text', text: 'hi' }] }])
  })

  test('makes system blocks of the instructions and of leading developer messages', () => {
    const { system, turns } = read({
      instructions: 'one',
      input: [
        { role: 'developer', content: [{ type: 'input_text', text: 'two' }] },
        { role: 'system', content: 'three' },
        { role: 'user', content: 'hi' },
        { role: 'developer', content: 'later' },
      ],
    })
    expect(system).toEqual([
      { text: 'one', role: 'system' },
      { text: 'two', role: 'developer' },
      { text: 'three', role: 'system' },
    ])
    expect(turns.map(({ role }) => role)).toEqual(['user', 'developer'])
  })

  test('takes empty instructions for none', () => {
    expect(read({ instructions: '', input: 'x' }).system).toEqual([])
  })

  test('makes one turn of what the model said in one go, and one of the results', () => {
    const { turns } = items(
      { role: 'user', content: 'go' },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAA' },
      {
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'ok' }],
        phase: 'commentary',
      },
      { type: 'function_call', call_id: 'a', name: 'f', arguments: '{"x": 1}' },
      { type: 'function_call', call_id: 'b', name: 'f', arguments: '' },
      { type: 'function_call_output', call_id: 'a', output: '1' },
      { type: 'function_call_output', call_id: 'b', output: [{ type: 'input_text', text: '2' }] },
      { role: 'user', content: 'and?' },
    )
    expect(turns).toEqual([
      { role: 'user', parts: [{ kind: 'text', text: 'go' }] },
      {
        role: 'assistant',
        parts: [
          {
            kind: 'reasoning',
            text: '',
            isSummary: true,
            carrier: {
              dialect: 'openai-responses',
              provider: null,
              data: 'gAAA',
              form: 'encrypted',
              of: 'own',
              id: 'rs_1',
            },
          },
          { kind: 'text', text: 'ok', phase: 'commentary' },
          { kind: 'tool-call', id: 'a', name: 'f', args: '{"x": 1}', isCustom: false },
          { kind: 'tool-call', id: 'b', name: 'f', args: '', isCustom: false },
        ],
      },
      {
        role: 'user',
        parts: [
          {
            kind: 'tool-result',
            callId: 'a',
            content: [{ kind: 'text', text: '1' }],
            isError: false,
            isCustom: false,
          },
          {
            kind: 'tool-result',
            callId: 'b',
            content: [{ kind: 'text', text: '2' }],
            isError: false,
            isCustom: false,
          },
        ],
      },
      { role: 'user', parts: [{ kind: 'text', text: 'and?' }] },
    ])
  })

  test('reads free-form calls and their results', () => {
    const { turns } = items(
      { type: 'custom_tool_call', call_id: 'a', name: 'sh', input: 'ls' },
      { type: 'custom_tool_call_output', call_id: 'a', output: 'x' },
    )
    expect(turns.flatMap(({ parts }) => parts)).toMatchObject([
      { kind: 'tool-call', id: 'a', name: 'sh', args: 'ls', isCustom: true },
      { kind: 'tool-result', callId: 'a', isCustom: true },
    ])
  })

  test('makes one thought of several summaries, and two of a summary and the thought itself', () => {
    const summary = [
      { type: 'summary_text', text: 'one' },
      { type: 'summary_text', text: 'two' },
    ]
    const content = [{ type: 'reasoning_text', text: 'raw' }]
    const [turn] = items({ type: 'reasoning', summary, content, encrypted_content: 'gAAA' }).turns
    expect(turn?.parts).toMatchObject([
      { kind: 'reasoning', text: 'one\n\ntwo', isSummary: true },
      { kind: 'reasoning', text: 'raw', isSummary: false, carrier: { data: 'gAAA' } },
    ])
    expect(turn?.parts[0]).not.toHaveProperty('carrier')
  })

  test('leaves out reasoning that neither says nor holds anything, and empty answers', () => {
    const { turns } = items(
      { role: 'user', content: 'go' },
      { type: 'reasoning', id: 'rs_1', summary: [] },
      { role: 'assistant', content: '' },
    )
    expect(turns).toHaveLength(1)
  })

  test('reads pictures and files in each of their forms', () => {
    const { turns } = items({
      role: 'user',
      content: [
        { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' },
        { type: 'input_image', image_url: 'https://a.example/x.png' },
        { type: 'input_image', file_id: 'file-1' },
        { type: 'input_file', file_data: 'data:application/pdf;base64,JVBERi0=', filename: 'a.pdf' },
        { type: 'input_file', file_data: 'JVBERi0xLjQK', filename: 'b.pdf' },
        { type: 'input_file', file_url: 'https://a.example/x.pdf' },
        { type: 'input_file', file_id: 'file-2' },
        { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
        { type: 'input_video', video_url: 'https://a.example/x.mp4' },
        { type: 'input_text', text: 'x', prompt_cache_breakpoint: { mode: 'explicit', ttl: '12h' } },
        { type: 'hologram', x: 1 },
      ],
    })
    const dialect = 'openai-responses'
    expect(turns[0]?.parts).toEqual([
      {
        kind: 'media',
        media: 'image',
        source: { kind: 'base64', data: 'AAAA' },
        mimeType: 'image/png',
        detail: 'low',
      },
      { kind: 'media', media: 'image', source: { kind: 'url', url: 'https://a.example/x.png' } },
      { kind: 'media', media: 'image', source: { kind: 'file', id: 'file-1', dialect } },
      {
        kind: 'media',
        media: 'document',
        source: { kind: 'base64', data: 'JVBERi0=' },
        mimeType: 'application/pdf',
        filename: 'a.pdf',
      },
      {
        kind: 'media',
        media: 'document',
        source: { kind: 'base64', data: 'JVBERi0xLjQK' },
        mimeType: 'application/pdf',
        filename: 'b.pdf',
      },
      { kind: 'media', media: 'document', source: { kind: 'url', url: 'https://a.example/x.pdf' } },
      { kind: 'media', media: 'document', source: { kind: 'file', id: 'file-2', dialect } },
      { kind: 'media', media: 'audio', source: { kind: 'base64', data: 'AAAA' }, mimeType: 'audio/mpeg' },
      { kind: 'media', media: 'video', source: { kind: 'url', url: 'https://a.example/x.mp4' } },
      { kind: 'text', text: 'x', cache: { ttl: 'long' } },
      { kind: 'native', dialect, type: 'hologram', value: { type: 'hologram', x: 1 } },
    ])
  })

  test.each([
    ['item_reference', { type: 'item_reference', id: 'msg_1' }, 'assistant'],
    ['item_reference', { id: 'msg_1' }, 'assistant'],
    ['web_search_call', { type: 'web_search_call', id: 'ws_1', status: 'completed' }, 'assistant'],
    ['computer_call_output', { type: 'computer_call_output', call_id: 'x' }, 'user'],
    ['mcp_approval_response', { type: 'mcp_approval_response', approve: true }, 'user'],
    [
      'function_call',
      { type: 'function_call', call_id: 'a', name: 'f', arguments: '', namespace: 'crm' },
      'assistant',
    ],
  ])('carries a %s whole', (type, item, role) => {
    expect(items(item).turns).toEqual([
      { role, parts: [{ kind: 'native', dialect: 'openai-responses', type, value: item }] },
    ])
  })

  test.each([
    ['input', { input: 5 }],
    ['input[0]', { input: ['x'] }],
    ['input[0].role', { input: [{ role: 'critic', content: 'x' }] }],
    ['input[0].content', { input: [{ role: 'user', content: 5 }] }],
    [
      'input[1].call_id',
      {
        input: [
          { role: 'user', content: 'x' },
          { type: 'function_call_output', output: '' },
        ],
      },
    ],
    ['input[0].name', { input: [{ type: 'function_call', call_id: 'a' }] }],
  ])('is refused by its path: %s', (param, body) => {
    expect(faultOf(body)).toBe(param)
  })
})

describe('sealed state in a Responses request', () => {
  const carrier: Carrier = { dialect: 'gemini', provider: 'google', data: 'sig', form: 'thought', of: 'own' }
  const holder = (of: Carrier['of']): JsonObject => ({
    type: 'reasoning',
    id: 'rs_1',
    summary: [],
    encrypted_content: openSealer.seal({ ...carrier, of }),
  })
  const call = (id: string): JsonObject => ({
    type: 'function_call',
    call_id: id,
    name: 'f',
    arguments: '{}',
  })
  const partsOf = (...input: readonly JsonObject[]) => items(...input).turns[0]?.parts

  test('goes to the part after it', () => {
    expect(partsOf(holder('next'), call('a'), call('b'))).toMatchObject([{ id: 'a', carrier }, { id: 'b' }])
    expect(partsOf(holder('next'), call('a'), call('b'))?.[1]).not.toHaveProperty('carrier')
  })

  test('goes to the part before it', () => {
    const parts = partsOf(call('a'), holder('previous'), call('b'))
    expect(parts).toMatchObject([{ id: 'a', carrier }, { id: 'b' }])
    expect(parts).toHaveLength(2)
  })

  test('stays with the thought it is of, with the words it vouches for', () => {
    const own: Carrier = {
      dialect: 'anthropic',
      provider: 'a',
      data: 's',
      form: 'signature',
      of: 'own',
      text: 'hm',
    }
    const item = { ...holder('own'), encrypted_content: openSealer.seal(own) }
    expect(partsOf(item, call('a'))).toMatchObject([
      { kind: 'reasoning', text: '', carrier: own },
      { id: 'a' },
    ])
  })

  test('is dropped when it cannot be opened', () => {
    const item = { ...holder('own'), encrypted_content: 'apx1.k9.xxxx' }
    expect(partsOf(item, call('a'))).toMatchObject([{ kind: 'tool-call' }])
  })
})

describe('the settings of a Responses request', () => {
  test('are read into canonical ones', () => {
    const request = read({
      input: 'x',
      max_output_tokens: 100,
      temperature: 0.5,
      top_p: 0.9,
      top_logprobs: 2,
      include: ['message.output_text.logprobs', 'reasoning.encrypted_content'],
      reasoning: { effort: 'high', summary: 'auto' },
      text: {
        format: { type: 'json_schema', name: 'a', schema: { type: 'object' }, strict: true },
        verbosity: 'low',
      },
      metadata: { a: 'b' },
      service_tier: 'flex',
      safety_identifier: 'u',
      prompt_cache_key: 'k',
      store: false,
      parallel_tool_calls: false,
    })
    expect(request).toMatchObject({
      params: {
        maxTokens: 100,
        temperature: 0.5,
        topP: 0.9,
        topLogprobs: 2,
        verbosity: 'low',
        metadata: { a: 'b' },
        serviceTier: 'flex',
        endUser: 'u',
        cacheKey: 'k',
        store: false,
      },
      reasoning: { effort: 'high', show: 'auto' },
      format: { kind: 'schema', name: 'a', schema: { type: 'object' }, strict: true },
      parallelTools: false,
      extras: [],
    })
  })

  test('ask for no probabilities unless they are included', () => {
    expect(read({ input: 'x', top_logprobs: 5 }).params).not.toHaveProperty('topLogprobs')
    expect(read({ input: 'x', include: ['message.output_text.logprobs'] }).params.topLogprobs).toBe(0)
  })

  test.each([
    ['previous_response_id', 'resp_1', 'refuse'],
    ['conversation', { id: 'conv_1' }, 'refuse'],
    ['prompt', { id: 'pmpt_1' }, 'refuse'],
    ['context_management', [{ type: 'compaction' }], 'refuse'],
    ['background', true, 'refuse'],
    ['background', false, 'silent'],
    ['truncation', 'auto', 'refuse'],
    ['truncation', 'disabled', 'silent'],
    ['moderation', { model: 'm', policy: { input: { mode: 'block' } } }, 'refuse'],
    ['moderation', { model: 'm' }, 'warn'],
    ['max_tool_calls', 3, 'warn'],
    ['stream_options', { include_obfuscation: false }, 'silent'],
    ['user', 'u', 'silent'],
    ['brand_new', 1, 'warn'],
  ] as const)('that only this API has: %s %j is to %s elsewhere', (path, value, cross) => {
    expect(read({ input: 'x', [path]: value }).extras).toEqual([{ path, value, cross }])
  })

  test('that are null were not sent', () => {
    const { params, extras } = read({
      input: 'x',
      temperature: null,
      previous_response_id: null,
      store: null,
    })
    expect([params, extras]).toEqual([{}, []])
  })

  test('beside the effort are told', () => {
    const { extras } = read({ input: 'x', reasoning: { mode: 'pro', context: 'auto' } })
    expect(extras).toEqual([
      { path: 'reasoning.mode', value: 'pro', cross: 'warn' },
      { path: 'reasoning.context', value: 'auto', cross: 'silent' },
    ])
  })
})
