import { describe, expect, test } from 'vitest'
import { Capabilities } from './capability.ts'
import { capabilitiesOf } from './capability-seeds.ts'
import { ProviderKind } from './provider.ts'

const openai = (host: string, model: string) => capabilitiesOf('openai', host, model, {})

describe('capabilities', () => {
  test.each(ProviderKind.options)('of an unknown model of kind %s are whole', (kind) => {
    expect(Capabilities.parse(capabilitiesOf(kind, 'example.org', 'some-model', {}))).toBeDefined()
  })

  test('an override wins over every seed, and an undefined one is none', () => {
    const found = capabilitiesOf('openai', 'api.mistral.ai', 'mistral-large', {
      callIdLength: 12,
      callIdForm: undefined,
    })
    expect(found).toMatchObject({ callIdLength: 12, callIdForm: 'alphanumeric' })
  })

  test.each([
    ['api.openai.com', 'gpt-4o', { sampling: true, systemRole: 'system', thinking: 'none' }],
    ['api.openai.com', 'gpt-4.1-mini', { sampling: true, thinking: 'none', customTools: false }],
    ['api.openai.com', 'o3-mini', { sampling: false, systemRole: 'developer', thinking: 'effort' }],
    ['api.openai.com', 'o1-mini', { systemRole: 'system', thinking: 'none' }],
    ['api.openai.com', 'gpt-5-mini', { sampling: false, customTools: true, thinkingOff: false }],
    ['api.openai.com', 'gpt-5-chat-latest', { sampling: true, thinking: 'none', systemRole: 'system' }],
    ['api.openai.com', 'gpt-5.1', { efforts: ['none', 'low', 'medium', 'high'], cacheMarks: false }],
    ['api.openai.com', 'gpt-5.4', { efforts: ['none', 'low', 'medium', 'high', 'xhigh'] }],
    ['api.openai.com', 'gpt-5.6-sol', { cacheMarks: true, thinkingOff: true }],
    ['api.openai.com', 'gpt-6-astra', { cacheMarks: true, systemRole: 'developer' }],
    ['api.openai.com', 'gpt-5-pro', { efforts: ['high'], thinkingOff: false }],
    ['api.openai.com', 'gpt-3.5-turbo', { structuredOutput: false }],
    ['x.openai.azure.com', 'gpt-4o', { maxCompletionTokens: true, thinking: 'none' }],
    ['api.mistral.ai', 'mistral-large-latest', { callIdLength: 9, streamUsage: false, chatQuirks: true }],
    ['api.groq.com', 'openai/gpt-oss-120b', { thinking: 'effort', maxCompletionTokens: true }],
    ['api.groq.com', 'llama-3.3-70b-versatile', { thinking: 'none' }],
    ['api.deepseek.com', 'deepseek-reasoner', { reasoningReplay: 'reasoning_content', media: [] }],
    ['api.x.ai', 'grok-3-mini', { thinking: 'effort', efforts: ['low', 'high'] }],
    ['api.x.ai', 'grok-4', { thinking: 'none' }],
    ['openrouter.ai', 'openai/gpt-5', { reasoningReplay: 'reasoning_details', systemRole: 'system' }],
    ['dashscope-intl.aliyuncs.com', 'qwen3-max', { chatQuirks: true }],
    ['api.moonshot.ai', 'kimi-k2', { reasoningReplay: 'reasoning_content', maxTemperature: 1 }],
    ['generativelanguage.googleapis.com', 'gemini-3-pro', { chatQuirks: true }],
    ['127.0.0.1', 'llama3', { maxCompletionTokens: false, systemRole: 'system' }],
  ])('at %s of %s are %o', (host, model, expected) => {
    expect(openai(host, model)).toMatchObject(expected)
  })

  test('a host whose name only contains a known one is not that host', () => {
    expect(openai('api.openai.com.example.org', 'x').maxCompletionTokens).toBe(false)
    expect(openai('notmistral.ai', 'x').callIdLength).toBe(40)
  })

  test.each([
    ['gemini-3-flash-preview', { thinking: 'level', thinkingOff: false, signedCalls: true, sampling: true }],
    ['models/gemini-3-pro-preview', { efforts: ['low', 'high'], prefill: true, structuredWithTools: true }],
    ['gemini-3.1-pro-preview', { efforts: ['low', 'medium', 'high'], toolResultMedia: true }],
    ['gemini-3.1-flash-lite', { efforts: ['minimal', 'low', 'medium', 'high'], sampling: true }],
    ['gemini-3.5-flash-lite', { sampling: false, prefill: false }],
    ['gemini-4-hydrogen', { efforts: ['low', 'medium', 'high', 'xhigh'], sampling: false }],
    ['gemini-3-pro-image', { signedCalls: false }],
    ['gemini-2.5-flash', { thinking: 'budget', thinkingOff: true, leastBudget: 1, mostBudget: 24_576 }],
    ['gemini-2.5-flash-lite', { leastBudget: 512, mostBudget: 24_576, structuredWithTools: false }],
    ['google/gemini-2.5-pro', { thinkingOff: false, leastBudget: 128, mostBudget: 32_768 }],
    ['gemini-2.5-flash-image', { thinking: 'none' }],
    ['gemini-2.0-flash', { thinking: 'none', maxOutputTokens: 8_192, toolResultMedia: false }],
    ['gemini-flash-latest', { thinking: 'level', signedCalls: true, maxOutputTokens: null }],
  ])('of Google’s %s are %o', (model, expected) => {
    expect(capabilitiesOf('gemini', 'generativelanguage.googleapis.com', model, {})).toMatchObject(expected)
  })
})
