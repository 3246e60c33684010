import { expect, test } from 'vitest'
import { capabilitiesOf } from '../capability-seeds.ts'

const at = (model: string, host = 'api.anthropic.com') => capabilitiesOf('anthropic', host, model, {})

test.each([
  ['claude-sonnet-5-5', { betweenTools: true, thinkingOff: false, forcedToolChoice: false }],
  ['claude-opus-5-5', { thinkingOff: false, forcedToolChoice: false, sampling: false }],
  ['claude-haiku-5-5', { thinkingOff: true, forcedToolChoice: true, sampling: false }],
  ['claude-opus-5', { thinkingOff: true, forcedToolChoice: true, thinking: 'adaptive', prefill: false }],
  ['claude-fable-5', { thinkingOff: false, forcedToolChoice: true }],
  ['claude-fable-5-2', { thinkingOff: false, forcedToolChoice: false }],
  ['claude-sonnet-5', { sampling: false, midSystem: true, maxOutputTokens: 128_000 }],
  ['claude-opus-4-8', { sampling: false, midSystem: true, anthropicVersion: '2026-10-21' }],
  ['claude-opus-4-7', { sampling: false, midSystem: false }],
  ['claude-opus-4-6', { sampling: true, thinking: 'adaptive', efforts: ['low', 'medium', 'high', 'max'] }],
  ['claude-sonnet-4-6', { prefill: false, anthropicVersion: '2023-06-01', maxOutputTokens: 128_000 }],
  ['claude-sonnet-4-5-20250929', { thinking: 'budget', prefill: true, maxOutputTokens: 64_000 }],
  ['claude-haiku-4-5', { sampling: true, structuredOutput: true, temperatureWithTopP: false }],
  ['claude-opus-4-1-20250805', { maxOutputTokens: 32_000, structuredOutput: true }],
  ['claude-sonnet-4-0', { structuredOutput: false, maxOutputTokens: 64_000, thinking: 'budget' }],
  ['claude-opus-4-20250514', { structuredOutput: false, maxOutputTokens: 32_000 }],
  ['claude-3-7-sonnet-20250219', { thinking: 'budget', maxOutputTokens: 64_000 }],
  ['claude-3-5-haiku-latest', { thinking: 'none', maxOutputTokens: 8_192 }],
  ['claude-3-haiku-20240307', { thinking: 'none', maxOutputTokens: 4_096, media: ['image'] }],
  ['claude-2.1', { thinking: 'none', media: [] }],
])('%s is %o', (model, expected) => {
  expect(at(model)).toMatchObject(expected)
})

test.each(['anthropic/claude-opus-4.5', 'us.anthropic.claude-opus-4-5-20251101-v1:0'])(
  'a name as other hosts write it, %s, is known as well',
  (model) => {
    expect(at(model, 'example.org')).toMatchObject({ thinking: 'budget', maxOutputTokens: 64_000 })
  },
)

test('a Claude that is not known is taken for a new one', () => {
  expect(at('claude-opus-7')).toMatchObject({ sampling: false, thinking: 'adaptive', prefill: false })
})

test('the new version is spoken to Anthropic itself only', () => {
  expect(at('claude-opus-5', 'bedrock.example.org').anthropicVersion).toBe('2023-06-01')
})

test('a model of somebody else behind this format is asked for no more than the format’s first years knew', () => {
  expect(at('kimi-k2', 'api.moonshot.ai')).toMatchObject({
    sampling: true,
    thinking: 'budget',
    structuredOutput: false,
    maxOutputTokens: null,
  })
})
