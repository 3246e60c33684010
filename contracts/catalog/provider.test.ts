import { describe, expect, test } from 'vitest'
import { LogicalModelDefinition } from './model.ts'
import { ProviderDefinition } from './provider.ts'

const least = { name: 'x', kind: 'openai', baseUrl: 'https://api.example.com/v1' } as const

describe('a provider definition', () => {
  test('needs a name, a kind and an address; the rest has defaults that close doors', () => {
    expect(ProviderDefinition.parse(least)).toEqual({
      ...least,
      allowPrivate: false,
      routing: { weight: 1 },
      timeouts: { connectMs: 5_000, answerMs: 300_000, firstTokenMs: 60_000, idleMs: 60_000 },
      probe: { enabled: true, intervalMs: 60_000 },
      models: { path: '/models', static: [] },
    })
  })

  test('keeps what is given and fills only what is not', () => {
    const defined = ProviderDefinition.parse({
      ...least,
      timeouts: { idleMs: 7_000 },
      routing: { region: 'eu' },
    })
    expect(defined.timeouts).toMatchObject({ idleMs: 7_000, connectMs: 5_000 })
    expect(defined.routing).toEqual({ region: 'eu', weight: 1 })
  })

  test('that is whole stays as it is: nothing is filled in twice', () => {
    const whole = ProviderDefinition.parse(least)
    expect(ProviderDefinition.parse(whole)).toEqual(whole)
  })

  test.each([
    ['an unknown member', { colour: 'red' }],
    ['a misspelled part', { timeouts: { conectMs: 1 } }],
    ['an unknown kind', { kind: 'openapi' }],
    ['a free provider that pays', { routing: { costInput: -1 } }],
    ['a status that is no error', { routing: { retryableStatusCodes: [200] } }],
    ['endless patience', { timeouts: { answerMs: 3_600_001 } }],
  ])('refuses %s', (_what, change) => {
    expect(ProviderDefinition.safeParse({ ...least, ...change }).success).toBe(false)
  })
})

describe('a logical model definition', () => {
  test('fills in weight and tier of its targets', () => {
    const defined = LogicalModelDefinition.parse({ targets: [{ provider: 'openai', model: 'gpt' }] })
    expect(defined).toEqual({
      targets: [{ provider: 'openai', model: 'gpt', weight: 1, tier: 0 }],
      aliases: [],
    })
  })

  test('needs a target', () => {
    expect(LogicalModelDefinition.safeParse({ targets: [] }).success).toBe(false)
  })
})
