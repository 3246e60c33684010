import { describe, expect, test } from 'vitest'
import { openSealer } from '#test/arbitraries/canonical.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import { readRequest } from './shapes.ts'

const context = { model: 'm', stream: false, headers: {}, framing: 'sse', sealer: openSealer } as const
const HI = [{ role: 'user', content: 'Hi' }]

function read(body: JsonObject): CanonicalRequest {
  const result = readRequest({ model: 'm', messages: HI, ...body }, context)
  if (!result.ok) throw new Error(result.error.message)
  return result.value
}

describe('a chat request', () => {
  test.each<readonly [JsonObject, JsonObject]>([
    [{ max_tokens: 5 }, { maxTokens: 5 }],
    [{ max_completion_tokens: 6, max_tokens: 5 }, { maxTokens: 6 }],
    [
      { temperature: 0, top_p: 0.5, top_k: 4 },
      { temperature: 0, topP: 0.5, topK: 4 },
    ],
    [
      { frequency_penalty: 1, presence_penalty: -1 },
      { frequencyPenalty: 1, presencePenalty: -1 },
    ],
    [
      { seed: 7, n: 2 },
      { seed: 7, n: 2 },
    ],
    [{ n: 1, temperature: null, stop: null, logprobs: false }, {}],
    [{ logit_bias: { 5: -1 } }, { logitBias: { 5: -1 } }],
    [{ stop: 'END' }, { stop: ['END'] }],
    [{ stop: ['a', 'b'] }, { stop: ['a', 'b'] }],
    [{ logprobs: true }, { topLogprobs: 0 }],
    [{ logprobs: true, top_logprobs: 3 }, { topLogprobs: 3 }],
    [
      { verbosity: 'low', service_tier: 'flex' },
      { verbosity: 'low', serviceTier: 'flex' },
    ],
    [{ user: 'u' }, { endUser: 'u' }],
    [{ user: 'u', safety_identifier: 's' }, { endUser: 's' }],
    [
      { metadata: { a: 'b', c: 1 }, store: false },
      { metadata: { a: 'b' }, store: false },
    ],
    [{ prompt_cache_key: 'k' }, { cacheKey: 'k' }],
  ])('of %j has the parameters %j', (body, params) => {
    expect(read(body).params).toEqual(params)
  })

  test.each<readonly [JsonObject, unknown]>([
    [{ reasoning_effort: 'high' }, { effort: 'high' }],
    [{ reasoning: { effort: 'low', exclude: true } }, { effort: 'low', show: 'none' }],
    [{ reasoning: { max_tokens: 2000 } }, { budget: 2000 }],
    [{ reasoning: { enabled: true } }, { adaptive: true }],
    [{ reasoning: { enabled: false } }, { effort: 'none' }],
    [{ include_reasoning: true }, { show: 'auto' }],
    [{ reasoning_effort: 'whatever' }, undefined],
    [{}, undefined],
  ])('of %j wishes for %j of thought', (body, wish) => {
    expect(read(body).reasoning).toEqual(wish)
  })

  const schema = { type: 'object' }
  test.each<readonly [JsonObject, unknown]>([
    [{ type: 'text' }, undefined],
    [{ type: 'json_object' }, { kind: 'json' }],
    [
      { type: 'json_schema', json_schema: { name: 'a', description: 'd', strict: true, schema } },
      { kind: 'schema', name: 'a', description: 'd', strict: true, schema },
    ],
    [
      { type: 'json_schema', json_schema: { schema } },
      { kind: 'schema', schema },
    ],
  ])('wants its answer as %j', (format, expected) => {
    expect(read({ response_format: format }).format).toEqual(expected)
  })

  test.each<readonly [JsonObject['x'], unknown]>([
    ['auto', { kind: 'auto' }],
    ['none', { kind: 'none' }],
    ['required', { kind: 'required' }],
    ['any', { kind: 'required' }],
    [
      { type: 'function', function: { name: 'f' } },
      { kind: 'one', name: 'f', isCustom: false },
    ],
    [
      { type: 'custom', custom: { name: 'f' } },
      { kind: 'one', name: 'f', isCustom: true },
    ],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'f' } }] },
      },
      { kind: 'subset', names: ['f'], mode: 'required' },
    ],
  ])('chooses tools by %j', (choice, expected) => {
    expect(read({ tool_choice: choice }).toolChoice).toEqual(expected)
  })

  test('reads functions, free-form tools, web search, legacy functions and tools it does not know', () => {
    const request = read({
      tools: [
        { type: 'function', function: { name: 'f', description: 'd', parameters: schema, strict: true } },
        // Mistral's clients leave the type out.
        { function: { name: 'g' } },
        {
          type: 'custom',
          custom: { name: 'c', format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'x' } } },
        },
        { type: 'mystery', x: 1 },
      ],
      web_search_options: { search_context_size: 'low' },
    })
    expect(request.tools).toEqual([
      { kind: 'function', name: 'f', description: 'd', parameters: schema, strict: true },
      { kind: 'function', name: 'g' },
      { kind: 'custom', name: 'c', format: { type: 'grammar', syntax: 'lark', definition: 'x' } },
      { kind: 'native', dialect: 'openai-chat', type: 'mystery', value: { type: 'mystery', x: 1 } },
      { kind: 'web-search', dialect: 'openai-chat', value: { search_context_size: 'low' } },
    ])
  })

  test('with legacy functions pairs calls and results by an id of its own, and says so', () => {
    const request = read({
      functions: [{ name: 'f', parameters: schema }],
      function_call: { name: 'f' },
      messages: [
        ...HI,
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{"x":1}' } },
        { role: 'function', name: 'f', content: '42' },
      ],
    })
    expect(request.telling.legacyFunctions).toBe(true)
    expect(request.toolChoice).toEqual({ kind: 'one', name: 'f', isCustom: false })
    const [, said, result] = request.turns.map((turn) => turn.parts[0])
    if (said?.kind !== 'tool-call' || result?.kind !== 'tool-result') throw new Error('no call')
    expect(said).toMatchObject({ name: 'f', args: '{"x":1}' })
    expect(said.id).toMatch(/^call_[a-z0-9]{24}$/)
    expect(result).toMatchObject({ callId: said.id, name: 'f', content: [{ text: '42' }] })
  })

  test('tells its own fields from those whose absence matters to others', () => {
    const extras = read({
      prediction: {},
      prompt_cache_options: {},
      modalities: ['text', 'audio'],
      audio: {},
      moderation: {},
      mystery: 1,
      nothing: null,
    }).extras
    expect(Object.fromEntries(extras.map(({ path, cross }) => [path, cross]))).toEqual({
      prediction: 'silent',
      prompt_cache_options: 'silent',
      modalities: 'refuse',
      audio: 'refuse',
      moderation: 'refuse',
      mystery: 'warn',
    })
    expect(read({ modalities: ['text'] }).extras.map(({ cross }) => cross)).toEqual(['silent'])
  })

  test.each<readonly [string, JsonObject]>([
    ['messages', { messages: 'Hi' }],
    ['messages[0]', { messages: ['Hi'] }],
    ['messages[0].role', { messages: [{ role: 'robot', content: 'Hi' }] }],
    ['messages[1].tool_call_id', { messages: [...HI, { role: 'tool', content: 'x' }] }],
  ])('is refused for %s', (param, body) => {
    expect(readRequest({ model: 'm', ...body }, context)).toMatchObject({
      ok: false,
      error: { code: 'invalid_value', param },
    })
  })
})
