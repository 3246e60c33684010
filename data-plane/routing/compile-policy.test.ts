import { describe, expect, test } from 'vitest'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { RoutingStrategy, type RouteTarget } from '#contracts/catalog/model.ts'
import type { ProviderDefinitionInput } from '#contracts/catalog/provider.ts'
import { modelName, modelStream, providerId } from '#contracts/ids.ts'
import { credentialAdded, providerRegistered, TestLog } from '#test/model/log-builder.ts'
import { compileSnapshot } from './compile.ts'
import { resolveModel } from './resolve.ts'
import { Slots } from './slots.ts'
import type { Deployment, RoutingSnapshot } from './snapshot.ts'

function compile(...events: readonly CatalogEvent[]): RoutingSnapshot {
  const log = new TestLog()
  log.append(events)
  const slots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
  return compileSnapshot({
    catalog: log.catalog(),
    digest: log.digest(),
    secret: () => 'sk-1',
    discovered: new Map(),
    slots,
    previous: null,
  })
}

const static_ = { models: { static: ['m'] } }
const model = (
  more: Readonly<{ strategy?: RoutingStrategy; region?: string }> = {},
  target: Partial<RouteTarget> = {},
): CatalogEvent => ({
  type: 'LogicalModelCreated',
  stream: modelStream(modelName('fast')),
  body: {
    name: 'fast',
    origin: 'api',
    targets: [{ provider: 'a', model: 'm', weight: 1, tier: 0, ...target }],
    aliases: ['quick'],
    ...more,
  },
})

function deploymentOf(definition: Partial<ProviderDefinitionInput>): Deployment | undefined {
  const snapshot = compile(
    providerRegistered('a', { ...static_, ...definition }),
    credentialAdded('a', 'one'),
  )
  return snapshot.providers.get(providerId('a'))?.deployments.get('m')
}

describe('a deployment', () => {
  test('knows what its provider is, takes and costs', () => {
    const routing = { region: 'eu', maxConcurrency: 5, costInput: 1.5, costOutput: 6 }
    expect(deploymentOf({ kind: 'openai', baseUrl: 'https://api.openai.com/v1', routing })).toMatchObject({
      kind: 'openai',
      dialects: ['openai-chat', 'openai-responses'],
      endpoints: { chat: '/v1/chat/completions', responses: '/v1/responses', messages: '/v1/messages' },
      region: 'eu',
      maxConcurrency: 5,
      cost: { input: 1.5, output: 6 },
    })
  })

  test('has no limit, price or region where none was given', () => {
    expect(deploymentOf({})).toMatchObject({ maxConcurrency: Infinity, cost: null, region: null })
    expect(deploymentOf({ routing: { costOutput: 2 } })?.cost).toEqual({ input: 0, output: 2 })
  })

  test.each([
    ['anthropic', 'https://api.anthropic.com', 'x-api-key', 'sk-1'],
    ['gemini', 'https://g.example', 'x-goog-api-key', 'sk-1'],
    ['openai', 'https://x.openai.azure.com/openai/v1', 'api-key', 'sk-1'],
    ['openai', 'https://h.example/v1', 'authorization', 'Bearer sk-1'],
  ] as const)('of %s at %s sends its credential as %s', (kind, baseUrl, ...header) => {
    expect(deploymentOf({ kind, baseUrl })?.lanes[0]?.headers).toEqual(header)
  })

  test('of Gemini has its model in its paths, a pinned one too', () => {
    const snapshot = compile(
      providerRegistered('a', { kind: 'gemini', baseUrl: 'https://g.example', ...static_ }),
    )
    const path = (name: string) =>
      resolveModel(snapshot, name)?.candidates[0]?.deployment.endpoints.generate ?? null
    expect([path('m'), path('a/m'), path('a/../x')]).toEqual([
      '/v1beta/models/m:generateContent',
      '/v1beta/models/m:generateContent',
      '/v1beta/models/..%2Fx:generateContent',
    ])
  })

  test('takes the dialects its operator names, as far as its kind has a place for them', () => {
    const spoken = (...dialects: NonNullable<ProviderDefinitionInput['dialects']>) =>
      deploymentOf({ dialects })?.dialects
    expect(spoken('anthropic', 'openai-chat')).toEqual(['anthropic', 'openai-chat'])
    expect(spoken('gemini', 'openai-responses')).toEqual(['openai-responses'])
    expect(spoken('gemini')).toEqual(['openai-chat'])
    expect(spoken()).toEqual(['openai-chat'])
  })
})

describe('a route', () => {
  const gammas: Readonly<Record<RoutingStrategy, readonly [number, number]>> = {
    balanced: [0, 0],
    latency: [1, 0],
    cost: [0, 2],
    weights: [0, 0],
  }
  test.each(RoutingStrategy.options)('weighs by the strategy %s', (kind) => {
    const [gammaLatency, gammaCost] = gammas[kind]
    const snapshot = compile(providerRegistered('a', static_), model({ strategy: kind, region: 'eu' }))
    for (const name of ['fast', 'quick']) {
      expect(snapshot.routes.get(name)).toMatchObject({
        strategy: { kind, gammaLatency, gammaCost },
        region: 'eu',
      })
    }
  })

  test('is balanced and at home everywhere unless somebody said otherwise', () => {
    const snapshot = compile(providerRegistered('a', static_), model())
    for (const name of ['fast', 'm', 'a/m', 'a/unlisted']) {
      expect(resolveModel(snapshot, name)).toMatchObject({
        strategy: { kind: 'balanced', gammaLatency: 0, gammaCost: 0 },
        region: null,
      })
    }
  })

  test('keeps the deadlines of a target to that target', () => {
    const snapshot = compile(
      providerRegistered('a', {
        ...static_,
        timeouts: { connectMs: 11, answerMs: 12, firstTokenMs: 13, idleMs: 14 },
      }),
      model({}, { timeouts: { answerMs: 99 } }),
    )
    const timeouts = (name: string) => snapshot.routes.get(name)?.candidates[0]?.deployment.timeouts
    expect(timeouts('fast')).toEqual({ connectMs: 11, answerMs: 99, firstTokenMs: 13, idleMs: 14 })
    expect(timeouts('m')?.answerMs).toBe(12)
    const slot = (name: string) => snapshot.routes.get(name)?.candidates[0]?.deployment.slot
    expect(slot('fast')).toBe(slot('m'))
  })
})
