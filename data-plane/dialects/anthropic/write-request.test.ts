import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { blankRequest } from '#test/arbitraries/canonical.ts'
import {
  assistant,
  look,
  text,
  user,
  versionOf,
  write,
  type Written,
} from '#test/conformance/anthropic-request.ts'
import type { Part } from '../canonical/request.ts'
import { writeTokenCount } from './write-request.ts'

describe('the version', () => {
  test.each([
    ['claude-opus-5', {}, '2026-10-21'],
    ['claude-sonnet-4-6', {}, '2023-06-01'],
    ['claude-sonnet-4-6', { temperature: 0.5 }, '2023-06-01'],
    ['claude-opus-5', { temperature: 0.5 }, '2026-10-21'],
  ])('for %s with %o is %s', (model, params, version) => {
    expect(versionOf(write({ params }, model))).toBe(version)
  })

  test('is the first one wherever sampling is sent', () => {
    const spoken = write({ params: { topK: 5 } }, 'claude-sonnet-4-6', { anthropicVersion: '2026-10-21' })
    expect(spoken.body['top_k']).toBe(5)
    expect(versionOf(spoken)).toBe('2023-06-01')
  })

  test('is the first one for a document that an assistant said', () => {
    const pdf: Part = { kind: 'media', media: 'document', source: { kind: 'url', url: 'https://a/b.pdf' } }
    expect(
      versionOf(write({ turns: [user(text('a')), assistant(pdf), user(text('b'))] }, 'claude-opus-5')),
    ).toBe('2023-06-01')
  })

  test('and betas are an Anthropic client’s own', () => {
    const extras = [
      { path: 'anthropic-version', value: '2023-06-01', cross: 'silent' as const },
      { path: 'anthropic-beta', value: 'a-1,b-2', cross: 'silent' as const },
    ]
    expect(write({ dialect: 'anthropic', extras }, 'claude-opus-5').headers).toEqual([
      'anthropic-version',
      '2023-06-01',
      'anthropic-beta',
      'a-1,b-2',
    ])
    expect(write({ extras }, 'claude-opus-5').headers).toEqual(['anthropic-version', '2026-10-21'])
  })
})

describe('parameters', () => {
  test.each([
    ['max_tokens is the model’s most when nobody said', {}, 'claude-opus-4-1', { max_tokens: 32_000 }, []],
    ['max_tokens is as said', { maxTokens: 5 }, 'claude-opus-4-1', { max_tokens: 5 }, []],
    [
      'max_tokens over the model’s most is clamped',
      { maxTokens: 99_999 },
      'claude-opus-4-1',
      { max_tokens: 32_000 },
      ['params.maxTokens:clamped'],
    ],
    [
      'temperature over one is clamped',
      { temperature: 1.7 },
      'claude-sonnet-4-5',
      { temperature: 1 },
      ['params.temperature:clamped'],
    ],
    [
      'sampling is dropped where it is refused',
      { temperature: 0.2, topP: 0.5, topK: 9 },
      'claude-opus-5',
      { temperature: undefined, top_p: undefined, top_k: undefined },
      ['params.temperature:unsupported', 'params.topP:unsupported', 'params.topK:unsupported'],
    ],
    [
      'a default of sampling is dropped without a word',
      { temperature: 1, topP: 1 },
      'claude-opus-5',
      { temperature: undefined, top_p: undefined },
      [],
    ],
    [
      'top_p gives way to temperature where both are refused',
      { temperature: 0.2, topP: 0.5 },
      'claude-sonnet-4-5',
      { temperature: 0.2, top_p: undefined },
      ['params.topP:unsupported'],
    ],
    [
      'both are sent where both are taken',
      { temperature: 0.2, topP: 0.5 },
      'claude-sonnet-4-0',
      { top_p: 0.5 },
      [],
    ],
    [
      'stops of blanks only are dropped',
      { stop: ['\n', 'END'] },
      'claude-sonnet-4-5',
      { stop_sequences: ['END'] },
      ['params.stop:dropped'],
    ],
    ['the end user is metadata', { endUser: 'u1' }, 'claude-sonnet-4-5', { metadata: { user_id: 'u1' } }, []],
    [
      'the default tier is standard_only',
      { serviceTier: 'default' },
      'claude-sonnet-4-5',
      { service_tier: 'standard_only' },
      [],
    ],
    ['the fast tier is a speed', { serviceTier: 'fast' }, 'claude-sonnet-4-5', { speed: 'fast' }, []],
    [
      'flex is unknown',
      { serviceTier: 'flex' },
      'claude-sonnet-4-5',
      { service_tier: undefined },
      ['params.serviceTier:unsupported'],
    ],
    [
      'penalties and seeds are told to be lost',
      { frequencyPenalty: 1, presencePenalty: 1, seed: 1, verbosity: 'low' },
      'claude-sonnet-4-5',
      {},
      [
        'params.frequencyPenalty:unsupported',
        'params.presencePenalty:unsupported',
        'params.seed:unsupported',
        'params.verbosity:unsupported',
      ],
    ],
    [
      'hints without effect go silently',
      { cacheKey: 'k', store: false, metadata: { a: 'b' } },
      'claude-sonnet-4-5',
      {},
      [],
    ],
  ])('%s', (_name, params, model, expected, lost) => {
    const written = write({ params }, model)
    expect({ ...written.body }).toEqual(expect.objectContaining(withoutUndefined(expected)))
    for (const [name, value] of Object.entries(expected)) {
      if (value === undefined) expect(written.body).not.toHaveProperty(name)
    }
    expect(written.lost).toEqual(lost)
  })

  const withoutUndefined = (value: object): object =>
    Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined))

  test.each([
    [{ n: 2 }, 'params.n'],
    [{ logitBias: { '50256': -100 } }, 'params.logitBias'],
    [{ topLogprobs: 0 }, 'params.topLogprobs'],
  ])('%o is refused at %s', (params, at) => {
    expect(write({ params }).refused).toEqual([at])
  })

  test('fields of another dialect are told, refused or passed in silence, as they say themselves', () => {
    const extras = [
      { path: 'prediction', value: {}, cross: 'silent' as const },
      { path: 'moderation', value: {}, cross: 'refuse' as const },
      { path: 'odd', value: 1, cross: 'warn' as const },
    ]
    const written = write({ extras })
    expect(written.refused).toEqual(['moderation'])
    expect(written.lost).toEqual(['odd:unsupported'])
    expect(write({ extras }, 'glm-5', { extraFields: ['odd'] }).body['odd']).toBe(1)
  })

  test('fields that only Anthropic has go back to Anthropic', () => {
    const extras = [
      { path: 'container', value: 'c1', cross: 'refuse' as const },
      { path: 'output_config.task_budget', value: { tokens: 5 }, cross: 'warn' as const },
    ]
    const written = write({ dialect: 'anthropic', extras })
    expect(written.body).toMatchObject({ container: 'c1', output_config: { task_budget: { tokens: 5 } } })
    expect([...written.lost, ...written.refused]).toEqual([])
  })
})

describe('structured output', () => {
  const schema = { type: 'object', properties: { a: { type: 'string', minLength: 2 } } }

  test('is a schema that the decoder takes', () => {
    const written = write({ format: { kind: 'schema', schema, strict: true } })
    expect(written.body['output_config']).toEqual({
      format: {
        type: 'json_schema',
        schema: {
          type: 'object',
          properties: { a: { type: 'string', description: 'min length: 2.' } },
          additionalProperties: false,
        },
      },
    })
    expect(written.lost).toEqual(['format:simplified'])
  })

  test.each([
    ['without a schema', { kind: 'json' as const }, 'claude-opus-5'],
    ['on models that know none', { kind: 'schema' as const, schema }, 'claude-sonnet-4-0'],
  ])('%s is asked for in words', (_name, format, model) => {
    const written = write({ format, system: [{ text: 'Be kind.', role: 'system' }] }, model)
    expect(written.body).not.toHaveProperty('output_config')
    expect(written.body['system']).toMatchObject([
      { text: 'Be kind.' },
      { text: expect.stringContaining('JSON') as string },
    ])
    expect(written.lost).toEqual(['format:degraded'])
  })
})

describe('cache marks', () => {
  const marked = (words: string, ttl: 'short' | 'long' | null = null): Part => ({
    kind: 'text',
    text: words,
    cache: { ttl },
  })
  const marksIn = (written: Written): unknown[] =>
    JSON.stringify(written.body)
      .match(/"cache_control":\{[^}]*\}/g)
      ?.map((mark) => JSON.parse(mark.slice(16)) as unknown) ?? []

  test('are four at most, the last ones', () => {
    const written = write({
      tools: [{ ...look, cache: { ttl: 'long' } }],
      system: [{ text: 's', role: 'system', cache: { ttl: 'long' } }],
      turns: [user(marked('1', 'short'), marked('2'), marked('3'), marked('4'))],
    })
    expect(marksIn(written)).toHaveLength(4)
    expect(JSON.stringify(written.body['tools'])).not.toContain('cache_control')
    expect(JSON.stringify(written.body['system'])).not.toContain('cache_control')
  })

  test('of an hour do not stand behind those of five minutes', () => {
    const written = write({ turns: [user(marked('1', 'short'), marked('2', 'long'))] })
    expect(marksIn(written)).toEqual([
      { type: 'ephemeral', ttl: '5m' },
      { type: 'ephemeral', ttl: '5m' },
    ])
  })

  test('are left out for servers that know none', () => {
    expect(marksIn(write({ turns: [user(marked('1'))] }, 'x', { cacheMarks: false }))).toEqual([])
  })
})

test('a token count asks with what is read, and nothing of how it is answered', () => {
  const request = {
    ...blankRequest('openai-chat'),
    system: [{ text: 'Be kind.', role: 'system' as const }],
    tools: [look],
    params: { maxTokens: 5, temperature: 0.1, stop: ['x'], endUser: 'u', serviceTier: 'auto' },
    stream: true,
  }
  const capabilities = capabilitiesOf('anthropic', 'api.anthropic.com', 'claude-opus-5', {})
  const written = writeTokenCount(request, {
    model: 'claude-opus-5',
    provider: 'claude',
    capabilities,
    stream: true,
  })
  expect(JSON.parse(written.body)).toEqual({
    model: 'claude-opus-5',
    tools: [{ name: 'look', input_schema: { type: 'object', properties: {} } }],
    system: [{ type: 'text', text: 'Be kind.' }],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
  })
  expect(written.headers).toEqual(['anthropic-version', '2026-10-21'])
})
