import { describe, expect, test } from 'vitest'
import { knownModel, priceOf } from './known-models.ts'

describe('a known model', () => {
  test.each([
    ['openai', 'gpt-4o-mini'],
    ['openai', 'gpt-4o-mini-2024-07-18'],
    ['openai', 'openai/gpt-4o-mini'],
    ['openai', 'claude-sonnet-4-5'],
    ['anthropic', 'claude-sonnet-4-5-20250929'],
    ['anthropic', 'claude-3-5-haiku-latest'],
    ['openai', 'anthropic/claude-sonnet-4-5@20250929'],
    ['gemini', 'gemini-2.0-flash-001'],
    ['gemini', 'gemini-2.5-pro'],
  ] as const)('at a provider of kind %s is found as %s', (kind, model) => {
    expect(knownModel(kind, model)).not.toBeNull()
  })

  test.each([
    ['openai', 'gpt-4o-mini-tts'],
    ['openai', 'my-gpt-4o'],
    ['openai', ''],
    ['openai', 'constructor'],
    ['anthropic', 'gpt-4o'],
    ['gemini', 'claude-sonnet-4-5'],
  ] as const)('at a provider of kind %s is not taken for %s', (kind, model) => {
    expect([knownModel(kind, model), priceOf(kind, model)]).toEqual([null, null])
  })

  test('keeps the price of its own issue', () => {
    expect(priceOf('openai', 'gpt-4o-2024-05-13')).toEqual({ input: 5, output: 15 })
    expect(priceOf('openai', 'gpt-4o-2024-08-06')).toEqual({ input: 2.5, output: 10, cacheRead: 1.25 })
  })

  test('of Anthropic has prices for what is read from the cache and written to it', () => {
    expect(priceOf('anthropic', 'claude-opus-4-5')).toEqual({
      input: 5,
      output: 25,
      cacheRead: 0.5,
      cacheWrite: 6.25,
    })
  })

  test('that embeds answers nothing', () => {
    expect(knownModel('openai', 'text-embedding-3-small')).toMatchObject({ mode: 'embedding', maxOutput: 0 })
  })
})
