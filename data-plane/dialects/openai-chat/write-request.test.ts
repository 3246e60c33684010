import { describe, expect, test } from 'vitest'
import { OPENAI, write, type Where } from '#test/conformance/chat-request.ts'
import { arrayOf, objectOf, type JsonObject } from '../canonical/json.ts'
import type { Params } from '../canonical/request.ts'

describe('parameters', () => {
  test.each<readonly [string, Params, Where, JsonObject, readonly string[]]>([
    ['the cap by its old name for most hosts', { maxTokens: 5 }, {}, { max_tokens: 5 }, []],
    ['the cap by its new name for OpenAI', { maxTokens: 5 }, OPENAI, { max_completion_tokens: 5 }, []],
    [
      'a cap above the model’s',
      { maxTokens: 9 },
      { set: { maxOutputTokens: 5 } },
      { max_tokens: 5 },
      ['params.maxTokens:clamped'],
    ],
    ['sampling', { temperature: 1.5, topP: 0.5 }, {}, { temperature: 1.5, top_p: 0.5 }, []],
    [
      'a temperature above the host’s',
      { temperature: 2 },
      { host: 'api.mistral.ai' },
      { temperature: 1.5 },
      ['params.temperature:clamped'],
    ],
    [
      'no sampling for reasoning models',
      { temperature: 0.5, topP: 0.5 },
      { ...OPENAI, model: 'o3' },
      {},
      ['params.temperature:unsupported', 'params.topP:unsupported'],
    ],
    [
      'no default sampling for them either, at no loss',
      { temperature: 1, topP: 1 },
      { ...OPENAI, model: 'o3' },
      {},
      [],
    ],
    ['no top_k', { topK: 5 }, {}, {}, ['params.topK:unsupported']],
    ['top_k where it is known', { topK: 5 }, { set: { extraFields: ['top_k'] } }, { top_k: 5 }, []],
    [
      'what only chat has',
      { frequencyPenalty: 1, presencePenalty: 1, seed: 7, n: 2, logitBias: { 5: 1 } },
      {},
      { frequency_penalty: 1, presence_penalty: 1, seed: 7, n: 2, logit_bias: { 5: 1 } },
      [],
    ],
    [
      'four stop sequences at most',
      { stop: ['a', 'b', 'c', 'd', 'e'] },
      {},
      { stop: ['a', 'b', 'c', 'd'] },
      ['params.stop:clamped'],
    ],
    [
      'no stop sequences for reasoning models',
      { stop: ['a'] },
      { ...OPENAI, model: 'gpt-5' },
      {},
      ['params.stop:unsupported'],
    ],
    [
      'nothing that Mistral refuses',
      { seed: 7, endUser: 'u', serviceTier: 'flex' },
      { host: 'api.mistral.ai' },
      {},
      ['params.seed:unsupported', 'params.serviceTier:unsupported'],
    ],
    ['log probabilities', { topLogprobs: 3 }, {}, { logprobs: true, top_logprobs: 3 }, []],
    ['log probabilities without alternatives', { topLogprobs: 0 }, {}, { logprobs: true }, []],
    ['the end user', { endUser: 'u' }, {}, { user: 'u' }, []],
    ['no foreign metadata and no foreign wish to store', { metadata: { a: 'b' }, store: true }, {}, {}, []],
    [
      'tier, cache key and verbosity',
      { serviceTier: 'flex', cacheKey: 'k', verbosity: 'low' },
      {},
      { service_tier: 'flex', prompt_cache_key: 'k', verbosity: 'low' },
      [],
    ],
  ])('are written with %s', (_, params, where, expected, lost) => {
    const { body, losses } = write({ params }, where)
    const { model: _model, messages: _messages, ...rest } = body
    expect(rest).toEqual(expected)
    expect(losses).toEqual(lost)
  })

  test('shorten an end user that OpenAI would refuse, the same way every time', () => {
    const long = `user_${'a'.repeat(64)}_session`
    const [first, second] = [long, long].map((endUser) => write({ params: { endUser } }).body['user'])
    expect(first).toMatch(/^[a-z0-9]{32}$/)
    expect(second).toBe(first)
  })

  test('ask streams for usage, except hosts that refuse the question', () => {
    expect(write({}, { stream: true }).body).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    })
    expect(write({}, { stream: true, host: 'api.mistral.ai' }).body).not.toHaveProperty('stream_options')
    expect(write({}).body).not.toHaveProperty('stream')
  })

  test('of other dialects are lost aloud, in silence, or refuse the request', () => {
    const extras = (['warn', 'silent', 'refuse'] as const).map((cross) => ({ path: cross, value: 1, cross }))
    expect(write({ extras }).losses).toEqual(['warn:unsupported', 'refuse:refuse'])
    const { body, losses } = write({ extras, dialect: 'openai-chat' })
    expect(body).toMatchObject({ warn: 1, silent: 1, refuse: 1 })
    expect(losses).toEqual([])
    expect(write({ extras }, { set: { extraFields: ['warn', 'refuse'] } }).body).toMatchObject({
      warn: 1,
      refuse: 1,
    })
  })

  test.each([
    [{ effort: 'high' }, OPENAI, 'high', []],
    [{ effort: 'minimal' }, { ...OPENAI, model: 'o3' }, 'low', []],
    [{ effort: 'xhigh' }, { ...OPENAI, model: 'o3' }, 'high', ['reasoning.effort:degraded']],
    [{ effort: 'high' }, { ...OPENAI, model: 'gpt-4o' }, undefined, ['reasoning.effort:unsupported']],
    [{ budget: 20_000 }, { ...OPENAI, model: 'gpt-5.4' }, 'high', []],
  ] as const)('of thought %j at %o become %s', (reasoning, where, effort, lost) => {
    const { body, losses } = write({ reasoning }, where)
    expect(body['reasoning_effort']).toBe(effort)
    expect(losses).toEqual(lost)
  })
})

describe('the output format', () => {
  const CLOSED = { type: 'object', properties: {}, additionalProperties: false }
  test.each([
    [{ kind: 'json' }, {}, { type: 'json_object' }, []],
    // Elsewhere a schema always holds.
    [
      { kind: 'schema', schema: CLOSED },
      {},
      { type: 'json_schema', json_schema: { name: 'response', schema: CLOSED, strict: true } },
      [],
    ],
    [
      { kind: 'schema', schema: { type: 'object' }, name: 'n' },
      {},
      { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: false } },
      [],
    ],
    [
      { kind: 'schema', schema: { type: 'object' }, strict: true },
      {},
      { type: 'json_schema', json_schema: { name: 'response', schema: { type: 'object' }, strict: false } },
      ['format.strict:degraded'],
    ],
    [
      { kind: 'schema', schema: CLOSED },
      { host: 'api.deepseek.com' },
      { type: 'json_object' },
      ['format:degraded'],
    ],
  ] as const)('%j at %o is written as %j', (format, where, expected, lost) => {
    const { body, losses } = write({ format }, where)
    expect(body['response_format']).toEqual(expected)
    expect(losses).toEqual(lost)
  })

  test('is said in words to a model that has no schemas', () => {
    const { body } = write({ format: { kind: 'schema', schema: CLOSED } }, { host: 'api.deepseek.com' })
    const first = objectOf(arrayOf(body['messages'])[0])
    expect(first['role']).toBe('system')
    expect(first['content']).toContain('"additionalProperties":false')
  })
})
