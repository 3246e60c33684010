import { describe, expect, it } from 'vitest'
import type { Capabilities } from '#contracts/catalog/capability.ts'
import { Losses } from '../canonical/loss.ts'
import type { Effort, ReasoningWish } from '../canonical/request.ts'
import { budgetFor, effortFor, effortOfBudget } from './effort.ts'

const LEVELS: readonly Effort[] = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max']

const model = (over: Partial<Capabilities>): Capabilities => ({
  sampling: true,
  maxTemperature: 2,
  thinking: 'effort',
  efforts: ['low', 'medium', 'high'],
  thinkingOff: false,
  forcedToolChoice: true,
  forcedWithThinking: true,
  parallelSwitch: true,
  customTools: true,
  midSystem: true,
  prefill: true,
  structuredOutput: true,
  structuredWithTools: true,
  urlMedia: true,
  media: ['image'],
  toolResultMedia: true,
  maxOutputTokens: null,
  callIdLength: 64,
  callIdForm: 'any',
  toolNameLength: 64,
  systemRole: 'developer',
  maxCompletionTokens: true,
  streamUsage: true,
  reasoningReplay: 'none',
  contentParts: true,
  anthropicVersion: '2023-06-01',
  cacheMarks: false,
  extraFields: [],
  ...over,
})

const ask = (wish: ReasoningWish | undefined, over: Partial<Capabilities> = {}, maxTokens?: number) => {
  const losses = new Losses()
  return { effort: effortFor(wish, model(over), maxTokens, losses), losses: losses.list }
}

describe('budgets', () => {
  it('are the level’s share of the answer', () => {
    expect(LEVELS.map((effort) => budgetFor(effort, 100_000))).toEqual([
      2_000, 10_000, 30_000, 60_000, 90_000, 95_000,
    ])
    expect(budgetFor('none', 100_000)).toBe(0)
  })

  it('are never smaller than the smallest anyone takes', () => {
    expect(budgetFor('minimal', 8_000)).toBe(1_024)
  })

  it('come back as the level they were reckoned from', () => {
    for (const effort of [...LEVELS, 'none'] as const)
      for (const most of [64_000, 65_536, 128_000])
        expect(effortOfBudget(budgetFor(effort, most), most), `${effort} of ${most}`).toBe(effort)
  })

  it('lie between levels and go to the nearest', () => {
    expect(effortOfBudget(1, 100_000)).toBe('minimal')
    expect(effortOfBudget(19_000, 100_000)).toBe('low')
    expect(effortOfBudget(21_000, 100_000)).toBe('medium')
    expect(effortOfBudget(500_000, 100_000)).toBe('max')
    expect(effortOfBudget(-1, 100_000)).toBe('medium')
  })
})

describe('effortFor', () => {
  it('asks nothing where nothing was asked', () => {
    expect(ask(undefined)).toEqual({ effort: null, losses: [] })
    expect(ask({ show: 'auto' })).toEqual({ effort: null, losses: [] })
  })

  it('keeps a level that the model takes', () => {
    expect(ask({ effort: 'medium' })).toEqual({ effort: 'medium', losses: [] })
  })

  it.each([
    ['xhigh', ['low', 'medium', 'high'], 'high'],
    ['max', ['low', 'medium', 'high'], 'high'],
    ['medium', ['low', 'high'], 'high'],
    ['high', ['none', 'low'], 'low'],
  ] as const)('moves %s of %j to %s and says so', (wanted, efforts, taken) => {
    expect(ask({ effort: wanted }, { efforts: [...efforts] })).toEqual({
      effort: taken,
      losses: [{ at: 'reasoning.effort', reason: 'degraded', refuse: false }],
    })
  })

  it('does not tell minimal from low', () => {
    expect(ask({ effort: 'minimal' })).toEqual({ effort: 'low', losses: [] })
  })

  it('never turns a wish for thought into none', () => {
    expect(ask({ effort: 'minimal' }, { efforts: ['none', 'high'], thinkingOff: true }).effort).toBe('high')
  })

  it('switches thinking off only where that can be done', () => {
    expect(ask({ effort: 'none' }, { thinkingOff: true })).toEqual({ effort: 'none', losses: [] })
    expect(ask({ budget: 0 }, { efforts: ['none', 'low'], thinkingOff: false })).toEqual({
      effort: 'low',
      losses: [{ at: 'reasoning.effort', reason: 'degraded', refuse: false }],
    })
  })

  it('asks nothing of a model that does not think', () => {
    expect(ask({ effort: 'none' }, { thinking: 'none' })).toEqual({ effort: null, losses: [] })
    expect(ask({ effort: 'low' }, { thinking: 'none' })).toEqual({
      effort: null,
      losses: [{ at: 'reasoning.effort', reason: 'unsupported', refuse: false }],
    })
  })

  it('reckons a level from a budget without calling it a loss', () => {
    expect(ask({ budget: 1_024 }, {}, 2_048)).toEqual({ effort: 'low', losses: [] })
    expect(ask({ budget: 8_192 })).toEqual({ effort: 'medium', losses: [] })
    expect(ask({ budget: 24_576 })).toEqual({ effort: 'high', losses: [] })
    expect(ask({ budget: 24_576 }, {}, 64_000)).toEqual({ effort: 'medium', losses: [] })
    expect(ask({ adaptive: true })).toEqual({ effort: 'medium', losses: [] })
  })
})
