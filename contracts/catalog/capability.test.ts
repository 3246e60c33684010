import { describe, expect, test } from 'vitest'
import { CapabilityRules, overridesFor } from './capability.ts'
import { capabilitiesOf } from './capability-seeds.ts'

describe('an operator’s rule', () => {
  test.each([
    ['*', 'anything', true],
    ['*', '', true],
    ['gpt-4o', 'gpt-4o', true],
    ['gpt-4o', 'gpt-4o-mini', false],
    ['gpt-*', 'gpt-4o', true],
    ['gpt-*', 'chatgpt-4o', false],
    ['*-mini', 'o3-mini', true],
    ['*-mini', 'o3-mini-high', false],
    ['o*-mini*', 'o3-mini-high', true],
    ['a*b*a', 'aba', true],
    ['a*b*a', 'aa', false],
    ['a*a', 'a', false],
    ['meta/*', 'meta/llama', true],
    ['.*', 'abc', false],
  ])('for %s counts for %s: %s', (model, name, counts) => {
    expect(overridesFor([{ model, set: { sampling: false } }], name)).toEqual(
      counts ? { sampling: false } : {},
    )
  })

  test('counts for every model when it names none, and a later one wins', () => {
    const rules = CapabilityRules.parse([
      { set: { urlMedia: false, sampling: true } },
      { model: 'o*', set: { sampling: false } },
    ])
    expect(overridesFor(rules, 'o3')).toEqual({ urlMedia: false, sampling: false })
    expect(overridesFor(rules, 'gpt')).toEqual({ urlMedia: false, sampling: true })
  })

  test('wins over what is known of the model, in what it names alone', () => {
    const known = capabilitiesOf('openai', 'api.openai.com', 'gpt-4o', {})
    const told = capabilitiesOf('openai', 'api.openai.com', 'gpt-4o', { callIdLength: 7 })
    expect(told).toEqual({ ...known, callIdLength: 7 })
  })

  test('names only what there is', () => {
    expect(CapabilityRules.safeParse([{ set: { telepathy: true } }]).success).toBe(false)
  })
})
