import { describe, expect, test } from 'vitest'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { ProviderDefinition, type ProviderDefinitionInput } from '#contracts/catalog/provider.ts'
import { modelName, providerId } from '#contracts/ids.ts'
import { TestLog } from '#test/model/log-builder.ts'
import type { Command, DeclaredState, WantedModel } from './command.ts'
import { decide } from './decide.ts'

const a = providerId('a')
const fast = modelName('fast')
const targets = [{ provider: a, model: 'm', weight: 1, tier: 0 }]
const wanted: WantedModel = { name: fast, targets, aliases: [], strategy: null, region: null, limits: null }
const definition = (more: Partial<ProviderDefinitionInput> = {}) =>
  ProviderDefinition.parse({ name: 'A', kind: 'openai', baseUrl: 'https://a.example/v1', ...more })

/** Carries commands out one after the other. @returns type and body of the last one's events, or why it was refused. */
function outcome(...commands: readonly Command[]): unknown {
  const log = new TestLog()
  let last: readonly CatalogEvent[] = []
  for (const command of commands) {
    const decision = decide(log.catalog(), command)
    if (!decision.ok) return decision.error
    last = decision.value
    if (last.length > 0) log.append(last)
  }
  return last.map(({ type, body }) => [type, body])
}

const register = (more: Partial<ProviderDefinitionInput> = {}): Command => ({
  type: 'RegisterProvider',
  id: a,
  definition: definition(more),
  credentials: [],
})
const create = (more: Partial<WantedModel> = {}): Command => ({ type: 'CreateModel', ...wanted, ...more })
const declare = (state: Partial<DeclaredState>): Command => ({
  type: 'ApplyDeclaration',
  state: { providers: [], models: [], keys: [], budgets: [], ...state },
})
const provider = (more: Partial<ProviderDefinitionInput> = {}): DeclaredState['providers'][number] => ({
  id: a,
  definition: definition(more),
  credentials: [],
})

describe('the policy of a model', () => {
  test('is written with the model only where it was wished for', () => {
    const body = { name: fast, origin: 'api', targets, aliases: [] }
    expect(outcome(register(), create())).toEqual([['LogicalModelCreated', body]])
    expect(outcome(register(), create({ strategy: 'cost', region: 'eu' }))).toEqual([
      ['LogicalModelCreated', { ...body, strategy: 'cost', region: 'eu' }],
    ])
  })

  test('is changed when it differs, and only then', () => {
    const strategy = (to: 'balanced' | 'latency'): Command => ({
      type: 'SetStrategy',
      name: fast,
      strategy: to,
      expectedVersion: 1,
    })
    expect(outcome(register(), create(), strategy('latency'))).toEqual([
      ['RoutingStrategySet', { strategy: 'latency' }],
    ])
    expect(outcome(register(), create(), strategy('balanced'))).toEqual([])
    const region = (to: string | null): Command => ({
      type: 'SetRegion',
      name: fast,
      region: to,
      expectedVersion: 1,
    })
    expect(outcome(register(), create({ region: 'eu' }), region(null))).toEqual([
      ['RegionPreferenceSet', { region: null }],
    ])
    expect(outcome(register(), create(), region(null))).toEqual([])
  })

  test('is not changed on a version nobody has seen', () => {
    const late: Command = { type: 'SetStrategy', name: fast, strategy: 'cost', expectedVersion: 7 }
    expect(outcome(register(), create(), late)).toMatchObject({ kind: 'conflict', expected: 7, current: 1 })
  })

  test('follows its declaration, back to the default too', () => {
    const first = declare({
      providers: [provider()],
      models: [{ ...wanted, strategy: 'cost', region: 'eu' }],
    })
    expect(outcome(first, first)).toEqual([])
    expect(outcome(first, declare({ providers: [provider()], models: [wanted] }))).toEqual([
      ['RoutingStrategySet', { strategy: 'balanced' }],
      ['RegionPreferenceSet', { region: null }],
    ])
  })
})

describe('the dialects of a provider', () => {
  const update = (more: Partial<ProviderDefinitionInput>): Command => ({
    type: 'UpdateProvider',
    id: a,
    definition: definition(more),
    expectedVersion: 1,
  })

  test('are changed by an event of their own; none and an empty list are the same', () => {
    expect(outcome(register(), update({ dialects: ['openai-responses'] }))).toEqual([
      ['ProviderDialectsSet', { dialects: ['openai-responses'] }],
    ])
    expect(outcome(register({ dialects: ['openai-chat'] }), update({}))).toEqual([
      ['ProviderDialectsSet', { dialects: [] }],
    ])
    expect(outcome(register(), update({ dialects: [] }))).toEqual([])
  })

  test('are refused where the kind has no place for them, also when declared', () => {
    const issue = { message: 'is not spoken by providers of kind openai' }
    const dialects = ['openai-chat', 'gemini'] as const
    expect(outcome(register({ dialects: [...dialects] }))).toEqual({
      kind: 'invalid',
      issues: [{ ...issue, path: 'definition.dialects[1]' }],
    })
    expect(outcome(register(), update({ dialects: [...dialects] }))).toMatchObject({ kind: 'invalid' })
    expect(outcome(declare({ providers: [provider({ dialects: [...dialects] })] }))).toEqual({
      kind: 'invalid',
      issues: [{ path: 'providers[0].dialects[1]', message: `${issue.message} (provider a)` }],
    })
  })
})
