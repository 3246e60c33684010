import { describe, expect, test } from 'vitest'
import { openSealer } from '#test/arbitraries/canonical.ts'
import type { Carrier } from '../canonical/carrier.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { CanonicalRequest, Part } from '../canonical/request.ts'
import { readRequest } from './read-request.ts'

const context = {
  model: 'claude-x',
  stream: true,
  headers: {},
  framing: 'sse' as const,
  sealer: openSealer,
}

function read(body: JsonObject, headers: Record<string, string> = {}): CanonicalRequest {
  const request = readRequest({ messages: [], ...body }, { ...context, headers })
  if (!request.ok) throw new Error(JSON.stringify(request.error))
  return request.value
}

const partsOf = (content: JsonValue, role = 'user'): readonly Part[] =>
  read({ messages: [{ role, content }] }).turns[0]?.parts ?? []

test.each([
  [{}, 'messages'],
  [{ messages: 'hi' }, 'messages'],
  [
    {
      messages: [
        { role: 'user', content: 'a' },
        { role: 'robot', content: 'b' },
      ],
    },
    'messages.1',
  ],
  [{ messages: ['hi'] }, 'messages.0'],
])('%j is not understood, at %s', (body, param) => {
  expect(readRequest(body, context)).toMatchObject({ ok: false, error: { code: 'invalid_value', param } })
})

test('system is a text, or blocks with their borders and marks', () => {
  expect(read({ system: 'Be kind.' }).system).toEqual([{ text: 'Be kind.', role: 'system' }])
  const system = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b', cache_control: { type: 'ephemeral', ttl: '1h' } },
  ]
  expect(read({ system }).system).toEqual([
    { text: 'a', role: 'system' },
    { text: 'b', role: 'system', cache: { ttl: 'long' } },
  ])
})

test('parameters have their places', () => {
  expect(
    read({
      max_tokens: 7,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 3,
      stop_sequences: ['x'],
      metadata: { user_id: 'u' },
      service_tier: 'standard_only',
      cache_control: { type: 'ephemeral' },
    }).params,
  ).toEqual({
    maxTokens: 7,
    temperature: 0.5,
    topP: 0.9,
    topK: 3,
    stop: ['x'],
    endUser: 'u',
    serviceTier: 'default',
    cache: { ttl: null },
  })
  expect(read({ speed: 'fast' }).params.serviceTier).toBe('fast')
  expect(read({}).params).toEqual({})
})

describe('thinking', () => {
  test.each([
    [{}, undefined],
    [{ thinking: { type: 'disabled' } }, { effort: 'none' }],
    [{ thinking: { type: 'between_tools' } }, { effort: 'none' }],
    [{ thinking: { type: 'adaptive' } }, { adaptive: true }],
    [{ thinking: { type: 'adaptive', display: 'omitted' } }, { adaptive: true, show: 'none' }],
    [{ thinking: { type: 'enabled', budget_tokens: 2000 } }, { budget: 2000 }],
    [{ output_config: { effort: 'xhigh' } }, { effort: 'xhigh' }],
    [
      { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'low' } },
      { adaptive: true, effort: 'low', show: 'auto' },
    ],
  ])('of %j is the wish %j', (body, wish) => {
    expect(read(body).reasoning).toEqual(wish)
  })

  test('that is omitted is not shown', () => {
    expect(read({ thinking: { type: 'adaptive', display: 'omitted' } }).telling.reasoning).toBe(false)
    expect(read({}).telling.reasoning).toBe(true)
  })
})

test('output formats are read from their place and from the one they had before', () => {
  const format = { type: 'json_schema', schema: { type: 'object' } }
  const expected = { kind: 'schema', schema: { type: 'object' }, strict: true }
  expect(read({ output_config: { format } }).format).toEqual(expected)
  expect(read({ output_format: format }).format).toEqual(expected)
})

describe('tools', () => {
  test('of the client, of the server, and the web search', () => {
    const native = { type: 'code_execution_20250825', name: 'code_execution' }
    const search = { type: 'web_search_20250305', name: 'web_search', max_uses: 2 }
    expect(
      read({
        tools: [
          {
            name: 'a',
            description: 'd',
            input_schema: { type: 'object' },
            strict: true,
            defer_loading: true,
          },
          {
            type: 'custom',
            name: 'b',
            input_schema: { type: 'object' },
            cache_control: { type: 'ephemeral' },
          },
          native,
          search,
        ],
      }).tools,
    ).toEqual([
      {
        kind: 'function',
        name: 'a',
        description: 'd',
        parameters: { type: 'object' },
        strict: true,
        native: { dialect: 'anthropic', value: { defer_loading: true } },
      },
      { kind: 'function', name: 'b', parameters: { type: 'object' }, cache: { ttl: null } },
      { kind: 'native', dialect: 'anthropic', type: 'code_execution_20250825', value: native },
      { kind: 'web-search', dialect: 'anthropic', value: search },
    ])
  })

  test.each([
    [{ type: 'auto' }, { kind: 'auto' }, undefined],
    [{ type: 'any', disable_parallel_tool_use: true }, { kind: 'required' }, false],
    [{ type: 'none' }, { kind: 'none' }, undefined],
    [{ type: 'tool', name: 'a' }, { kind: 'one', name: 'a', isCustom: false }, undefined],
  ])('choice %j is %j', (tool_choice, choice, parallel) => {
    const request = read({ tool_choice })
    expect(request.toolChoice).toEqual(choice)
    expect(request.parallelTools).toBe(parallel)
  })
})

test('fields of Anthropic’s own say what their loss means', () => {
  const extras = read(
    {
      container: 'c',
      mcp_servers: [],
      context_management: { edits: [] },
      inference_geo: 'eu',
      speed: 'standard',
      novelty: 1,
      output_config: { task_budget: 5 },
    },
    { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'x', 'user-agent': 'y' },
  ).extras
  expect(extras.map(({ path, cross }) => `${path} ${cross}`)).toEqual([
    'anthropic-version silent',
    'anthropic-beta silent',
    'container refuse',
    'mcp_servers refuse',
    'context_management warn',
    'inference_geo silent',
    'speed silent',
    'novelty warn',
    'output_config.task_budget warn',
  ])
})

describe('content', () => {
  test('a text is one block of text', () => {
    expect(partsOf('hi')).toEqual([{ kind: 'text', text: 'hi' }])
  })

  test.each([
    [
      {
        type: 'image',
        source: { type: 'base64', media_type: 'image/png', data: 'AA' },
        transformations: { oversized_image: 'error' },
      },
      {
        kind: 'media',
        media: 'image',
        source: { kind: 'base64', data: 'AA' },
        mimeType: 'image/png',
        detail: 'original',
      },
    ],
    [
      { type: 'image', source: { type: 'file', file_id: 'f' } },
      { kind: 'media', media: 'image', source: { kind: 'file', id: 'f', dialect: 'anthropic' } },
    ],
    [
      {
        type: 'document',
        source: { type: 'text', media_type: 'text/plain', data: 'x' },
        title: 't',
        context: 'c',
        citations: { enabled: true },
      },
      {
        kind: 'media',
        media: 'document',
        source: { kind: 'text', text: 'x' },
        mimeType: 'text/plain',
        title: 't',
        context: 'c',
        isCited: true,
      },
    ],
    [
      {
        type: 'document',
        source: {
          type: 'content',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
      },
      { kind: 'media', media: 'document', source: { kind: 'text', text: 'a\nb' } },
    ],
    [
      { type: 'tool_result', tool_use_id: '1', is_error: true, content: 'bad' },
      {
        kind: 'tool-result',
        callId: '1',
        content: [{ kind: 'text', text: 'bad' }],
        isError: true,
        isCustom: false,
      },
    ],
    [
      { type: 'tool_use', id: '1', name: 'a', input: { x: 1 }, caller: { type: 'direct' } },
      { kind: 'tool-call', id: '1', name: 'a', args: '{"x":1}', isCustom: false },
    ],
    [
      { type: 'thinking', thinking: 'hm', signature: 's' },
      {
        kind: 'reasoning',
        text: 'hm',
        isSummary: false,
        carrier: { dialect: 'anthropic', provider: null, data: 's', form: 'signature', of: 'own' },
      },
    ],
    [
      { type: 'redacted_thinking', data: 'd' },
      {
        kind: 'reasoning',
        text: '',
        isSummary: false,
        carrier: { dialect: 'anthropic', provider: null, data: 'd', form: 'redacted', of: 'own' },
      },
    ],
    [
      { type: 'search_result', source: 's', title: 't', content: [] },
      {
        kind: 'native',
        dialect: 'anthropic',
        type: 'search_result',
        value: { type: 'search_result', source: 's', title: 't', content: [] },
      },
    ],
  ])('%j is %j', (block, part) => {
    expect(partsOf([block])).toEqual([part])
  })

  test('search results within a result are told as text', () => {
    const content = [
      { type: 'search_result', source: 's', title: 't', content: [{ type: 'text', text: 'x' }] },
    ]
    expect(partsOf([{ type: 'tool_result', tool_use_id: '1', content }])).toMatchObject([
      { content: [{ kind: 'text', text: 't\ns\nx' }] },
    ])
  })

  test('results with content of Anthropic’s own keep it for Anthropic', () => {
    const content = [{ type: 'tool_reference', tool_name: 'a' }]
    expect(partsOf([{ type: 'tool_result', tool_use_id: '1', content }])).toMatchObject([
      { content: [{ kind: 'text' }], native: { dialect: 'anthropic', value: { content } } },
    ])
  })

  test('who called a tool, if not the model, is kept for Anthropic', () => {
    const caller = { type: 'code_execution_20250825', tool_id: 's1' }
    expect(partsOf([{ type: 'tool_use', id: '1', name: 'a', input: {}, caller }])).toMatchObject([
      { native: { dialect: 'anthropic', value: { caller } } },
    ])
  })
})

describe('sealed state', () => {
  const carrier = (of: Carrier['of']): Carrier => ({
    dialect: 'gemini',
    provider: 'google',
    data: 'x',
    form: 'thought',
    of,
  })
  const sealed = (of: Carrier['of']) => ({ type: 'redacted_thinking', data: openSealer.seal(carrier(of)) })
  const call = { type: 'tool_use', id: '1', name: 'a', input: {} }

  test('of thoughts is on them again', () => {
    const block = { type: 'thinking', thinking: 'hm', signature: openSealer.seal(carrier('own')) }
    expect(partsOf([block], 'assistant')).toEqual([
      { kind: 'reasoning', text: 'hm', isSummary: false, carrier: carrier('own') },
    ])
  })

  test('of the next or the previous part is on that part again, and its block is gone', () => {
    expect(partsOf([sealed('next'), call], 'assistant')).toMatchObject([
      { kind: 'tool-call', carrier: carrier('own') },
    ])
    expect(partsOf([call, sealed('previous')], 'assistant')).toMatchObject([
      { kind: 'tool-call', carrier: carrier('own') },
    ])
  })

  test('that we cannot open is dropped, and what was shown stays', () => {
    const lost = 'apx1.k9.abc'
    expect(
      partsOf(
        [
          { type: 'redacted_thinking', data: lost },
          { type: 'text', text: 'a' },
        ],
        'assistant',
      ),
    ).toEqual([{ kind: 'text', text: 'a' }])
    expect(partsOf([{ type: 'thinking', thinking: 'hm', signature: lost }], 'assistant')).toEqual([
      { kind: 'reasoning', text: 'hm', isSummary: false },
    ])
  })
})
