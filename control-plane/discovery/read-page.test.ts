import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ListedModel } from '#contracts/catalog/facts/listed-model.ts'
import { json } from '#test/arbitraries/json.ts'
import { readPage } from './read-page.ts'

const KINDS = ['openai', 'anthropic', 'gemini'] as const
const read = (body: unknown, kind: (typeof KINDS)[number] = 'openai') => readPage(kind, JSON.stringify(body))
const models = (body: unknown, kind?: (typeof KINDS)[number]) => {
  const page = read(body, kind)
  return page.ok ? page.value.models : page.error
}
const ids = (body: unknown) => {
  const found = models(body)
  return typeof found === 'string' ? found : found.map(({ id }) => id)
}

describe('a page', () => {
  test.each([
    ['OpenAI', { object: 'list', data: [{ id: 'gpt-4o', object: 'model' }, { id: 'o3' }] }],
    ['a bare array', [{ id: 'gpt-4o' }, { id: 'o3' }]],
    ['names alone', ['gpt-4o', 'o3']],
    ['names in data', { data: ['gpt-4o', 'o3'] }],
    [
      'Ollama',
      {
        models: [
          { name: 'gpt-4o', model: 'gpt-4o' },
          { name: 'o3', model: 'o3' },
        ],
      },
    ],
    ['Gemini', { models: [{ name: 'models/gpt-4o' }, { name: 'models/o3' }] }],
  ])('as %s writes it is read', (_who, body) => {
    expect(ids(body)).toEqual(['gpt-4o', 'o3'])
  })

  test('keeps ids with slashes, colons and other letters, and leaves out what is no id', () => {
    const good = ['meta-llama/Llama-3:free', '@cf/meta/x', 'modèle', '__proto__', 'accounts/a/models/b']
    const bad = ['', 'two words', 7, null, {}, [], 'x'.repeat(201), '"quoted"']
    expect(ids({ data: [...good, ...bad].map((id) => ({ id })) })).toEqual(good)
  })

  test.each([
    ['an object without a list', { error: { message: 'no' } }],
    ['a list that is none', { data: 'gpt' }],
    ['a number', 7],
    ['nothing', null],
  ])('that is %s is refused', (_what, body) => {
    expect(models(body)).toBe('is not a list of models')
  })

  test('that is no JSON is refused', () => {
    expect(readPage('openai', '<html>')).toEqual({ ok: false, error: 'is not JSON' })
  })

  test('of any JSON never throws, and gives only models that can be told to nodes', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(...KINDS), (value, kind) => {
        for (const body of [
          value,
          { data: [value] },
          { data: value },
          [{ id: 'm', pricing: value, created: value }],
        ]) {
          const page = read(body, kind)
          if (page.ok) for (const model of page.value.models) expect(ListedModel.parse(model)).toEqual(model)
        }
      }),
    )
  })
})

describe('what a list tells of a model', () => {
  test.each([
    [
      'OpenAI',
      { id: 'm', created: 1_715_367_049, owned_by: 'system' },
      { id: 'm', created: 1_715_367_049, ownedBy: 'system' },
    ],
    [
      'Anthropic',
      {
        type: 'model',
        id: 'm',
        display_name: 'M',
        created_at: '2025-02-24T00:00:00Z',
        max_input_tokens: 200_000,
        max_tokens: 64_000,
      },
      { id: 'm', displayName: 'M', created: 1_740_355_200, contextWindow: 200_000, maxOutput: 64_000 },
    ],
    [
      'Gemini',
      { name: 'models/m', displayName: 'M', inputTokenLimit: 1_048_576, outputTokenLimit: 65_536 },
      { id: 'm', displayName: 'M', contextWindow: 1_048_576, maxOutput: 65_536 },
    ],
    [
      'OpenRouter',
      {
        id: 'v/m',
        name: 'Vendor: M',
        created: 1,
        context_length: 131_072,
        top_provider: { max_completion_tokens: 16_384 },
        pricing: { prompt: '0.00000015', completion: '0.0000006' },
      },
      {
        id: 'v/m',
        displayName: 'Vendor: M',
        created: 1,
        contextWindow: 131_072,
        maxOutput: 16_384,
        price: { input: 0.15, output: 0.6 },
      },
    ],
    [
      'vLLM',
      { id: 'm', owned_by: 'vllm', max_model_len: 32_768 },
      { id: 'm', ownedBy: 'vllm', contextWindow: 32_768 },
    ],
    [
      'Groq',
      { id: 'm', context_window: 131_072, max_completion_tokens: 8_192 },
      { id: 'm', contextWindow: 131_072, maxOutput: 8_192 },
    ],
    ['Mistral', { id: 'm', max_context_length: 32_768 }, { id: 'm', contextWindow: 32_768 }],
  ])('as %s names it is kept', (_who, entry, model) => {
    expect(models({ data: [entry] })).toEqual([model])
  })

  test('is left out when it is of the wrong kind', () => {
    const entry = {
      id: 'm',
      created: 0,
      owned_by: 7,
      context_length: '128k',
      max_tokens: -1,
      display_name: '',
      pricing: { prompt: '-1', completion: '-1' },
    }
    expect(models([entry])).toEqual([{ id: 'm' }])
  })
})

describe('the next page', () => {
  const next = (body: unknown, kind?: (typeof KINDS)[number]) => {
    const page = read(body, kind)
    return page.ok ? page.value.next : page.error
  }

  test.each([
    ['anthropic', { data: [{ id: 'a' }], has_more: true, last_id: 'a' }, { after_id: 'a' }],
    ['anthropic', { data: [{ id: 'a' }], has_more: true }, { after_id: 'a' }],
    ['openai', { data: [{ id: 'a' }], has_more: true, last_id: 'a' }, { after: 'a' }],
    ['gemini', { models: [{ name: 'models/a' }], nextPageToken: 't' }, { pageToken: 't' }],
  ] as const)('of %s is asked for', (kind, body, query) => {
    expect(next(body, kind)).toEqual(query)
  })

  test.each([
    [{ data: [{ id: 'a' }], has_more: false, last_id: 'a' }],
    [{ data: [], has_more: true }],
    [{ models: [], nextPageToken: '' }],
    [[{ id: 'a' }]],
  ])('is not, where there is none: %j', (body) => {
    expect(next(body)).toBeNull()
  })
})
