import { describe, expect, test } from 'vitest'
import { assistant, call, look, result, text, user, write } from '#test/conformance/anthropic-request.ts'
import { arrayOf, isObject, objectOf, type JsonObject } from '../canonical/json.ts'
import type { CanonicalRequest, Part } from '../canonical/request.ts'

describe('thinking', () => {
  const effort = (level: NonNullable<CanonicalRequest['reasoning']>['effort'] & string) => ({
    reasoning: { effort: level },
  })

  test.each([
    ['claude-opus-5', 'none', { type: 'disabled' }, undefined, []],
    ['claude-opus-5', 'minimal', { type: 'adaptive', display: 'summarized' }, 'low', []],
    ['claude-opus-5', 'high', { type: 'adaptive', display: 'summarized' }, 'high', []],
    ['claude-opus-5', 'xhigh', { type: 'adaptive', display: 'summarized' }, 'xhigh', []],
    [
      'claude-opus-4-6',
      'xhigh',
      { type: 'adaptive', display: 'summarized' },
      'high',
      ['reasoning.effort:degraded'],
    ],
    ['claude-opus-4-6', 'max', { type: 'adaptive', display: 'summarized' }, 'max', []],
    ['claude-sonnet-5-5', 'none', { type: 'between_tools' }, undefined, ['reasoning.effort:degraded']],
    ['claude-opus-5-5', 'none', undefined, 'low', ['reasoning.effort:degraded']],
    ['claude-fable-5-1', 'none', undefined, 'low', ['reasoning.effort:degraded']],
    ['claude-sonnet-4-5', 'none', { type: 'disabled' }, undefined, []],
    ['claude-sonnet-4-5', 'low', { type: 'enabled', budget_tokens: 2_000 }, undefined, []],
    ['claude-sonnet-4-5', 'medium', { type: 'enabled', budget_tokens: 6_000 }, undefined, []],
    ['claude-sonnet-4-5', 'minimal', { type: 'enabled', budget_tokens: 1_024 }, undefined, []],
    ['claude-3-haiku-20240307', 'high', undefined, undefined, ['reasoning.effort:unsupported']],
  ] as const)('of %s at %s is %o with effort %s', (model, level, thinking, said, lost) => {
    const written = write(
      { ...effort(level), params: { maxTokens: model.includes('3-') ? 4_000 : 20_000 } },
      model,
    )
    expect(written.body['thinking']).toEqual(thinking)
    expect(
      isObject(written.body['output_config']) ? written.body['output_config']['effort'] : undefined,
    ).toBe(said)
    expect(written.lost).toEqual(lost)
  })

  test('that nobody asked for is not mentioned', () => {
    expect(write({}, 'claude-opus-5').body).not.toHaveProperty('thinking')
    expect(write({}, 'claude-opus-5').body).not.toHaveProperty('output_config')
  })

  test('that an Anthropic client keeps to the gaps between tools stays so, with the effort beside it', () => {
    const extras = [
      { path: 'thinking.type', value: 'between_tools', cross: 'silent' as const },
      { path: 'output_config.effort', value: 'max', cross: 'silent' as const },
    ]
    const written = write({ dialect: 'anthropic', ...effort('none'), extras }, 'claude-sonnet-5-5')
    expect(written.body).toMatchObject({
      thinking: { type: 'between_tools' },
      output_config: { effort: 'high' },
    })
    expect(written.lost).toEqual(['output_config.effort:clamped'])
    const other = write({ dialect: 'anthropic', ...effort('none'), extras }, 'claude-opus-5')
    expect(other.body).toMatchObject({ thinking: { type: 'disabled' }, output_config: { effort: 'high' } })
  })

  test('leaves room for the answer, and is given up where there is none', () => {
    const small = write({ ...effort('max'), params: { maxTokens: 2_000 } })
    expect(small.body['thinking']).toEqual({ type: 'enabled', budget_tokens: 1_900 })
    const none = write({ ...effort('low'), params: { maxTokens: 1_000 } })
    expect(none.body).not.toHaveProperty('thinking')
    expect(none.lost).toEqual(['reasoning.effort:dropped'])
  })

  test('by a budget becomes an effort where budgets are refused', () => {
    const written = write({ reasoning: { budget: 19_000 }, params: { maxTokens: 32_000 } }, 'claude-opus-5-5')
    expect(written.body['output_config']).toEqual({ effort: 'high' })
    expect(written.body['thinking']).toMatchObject({ type: 'adaptive' })
  })

  test('by an Anthropic client’s budget stays as it was', () => {
    const written = write({
      dialect: 'anthropic',
      reasoning: { budget: 3_333 },
      params: { maxTokens: 8_000 },
    })
    expect(written.body['thinking']).toEqual({ type: 'enabled', budget_tokens: 3_333 })
  })

  test('excludes sampling', () => {
    const params = { maxTokens: 20_000, temperature: 0.3, topP: 0.97, topK: 3 }
    const written = write({ ...effort('low'), params })
    expect(written.body).not.toHaveProperty('temperature')
    expect(written.body['top_p']).toBe(0.97)
    expect(written.lost).toEqual(['params.temperature:unsupported', 'params.topK:unsupported'])
  })

  test('excludes a forced choice, which gives way', () => {
    const written = write({ ...effort('low'), tools: [look], toolChoice: { kind: 'required' } })
    expect(written.body['tool_choice']).toEqual({ type: 'auto' })
    expect(written.lost).toEqual(['toolChoice:degraded'])
  })

  const loop = [user(text('a')), assistant(call('1')), user(result('1'))]

  test('by budget is given up in the middle of calls that have lost their thoughts', () => {
    const written = write({ ...effort('low'), tools: [look], turns: loop })
    expect(written.body).not.toHaveProperty('thinking')
    expect(written.lost).toEqual(['reasoning:dropped'])
    expect(write({ ...effort('low'), tools: [look], turns: loop }, 'claude-opus-5').lost).toEqual([])
  })

  test('by budget goes on where the thoughts are there', () => {
    const thoughts: Part = {
      kind: 'reasoning',
      text: 'hm',
      isSummary: false,
      carrier: { dialect: 'anthropic', provider: 'claude', data: 'sig', form: 'signature', of: 'own' },
    }
    const turns = [user(text('a')), assistant(thoughts, call('1')), user(result('1'))]
    const written = write({ ...effort('low'), tools: [look], turns })
    expect(written.body['thinking']).toMatchObject({ type: 'enabled' })
    expect((written.body['messages'] as JsonObject[])[1]).toMatchObject({
      content: [{ type: 'thinking', thinking: 'hm', signature: 'sig' }, { type: 'tool_use' }],
    })
  })
})

describe('state in the history', () => {
  const thoughts = (provider: string | null, dialect: 'anthropic' | 'gemini', form = 'signature'): Part => ({
    kind: 'reasoning',
    text: 'shown',
    isSummary: false,
    carrier: { dialect, provider, data: 'sig', form, of: 'own', text: 'as it was' },
  })
  const first = (part: Part): unknown => {
    const { body } = write({ turns: [user(text('a')), assistant(part, text('b')), user(text('c'))] })
    return arrayOf(objectOf(arrayOf(body['messages'])[1])['content'])[0]
  }

  test('of this provider goes back word for word', () => {
    expect(first(thoughts('claude', 'anthropic'))).toEqual({
      type: 'thinking',
      thinking: 'as it was',
      signature: 'sig',
    })
    expect(first(thoughts(null, 'anthropic', 'redacted'))).toEqual({ type: 'redacted_thinking', data: 'sig' })
  })

  test.each([
    ['another provider', thoughts('bedrock', 'anthropic')],
    ['another dialect', thoughts('claude', 'gemini')],
  ])('of %s stays behind, and what was said remains', (_name, part) => {
    expect(first(part)).toEqual({ type: 'text', text: 'b' })
  })
})
