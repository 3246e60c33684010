import { describe, expect, test } from 'vitest'
import { modelName, modelStream, providerId, providerStream } from '#contracts/ids.ts'
import { providerRegistered, TestLog, type TestEvent } from '#test/model/log-builder.ts'
import { compileSnapshot } from './compile.ts'
import { resolveModel } from './resolve.ts'
import { Slots } from './slots.ts'
import type { RoutingSnapshot } from './snapshot.ts'

function compiled(...events: readonly TestEvent[]): RoutingSnapshot {
  const log = new TestLog()
  log.append(events)
  const slots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
  return compileSnapshot({
    catalog: log.catalog(),
    digest: log.digest(),
    secret: () => 'sk',
    discovered: new Map(),
    slots,
    previous: null,
  })
}

const logical = (name: string, target: string, aliases: readonly string[] = []): TestEvent => {
  const slash = target.indexOf('/')
  const targets = [{ provider: target.slice(0, slash), model: target.slice(slash + 1), weight: 1, tier: 0 }]
  return {
    type: 'LogicalModelCreated',
    stream: modelStream(modelName(name)),
    body: { name, origin: 'api', targets, aliases: [...aliases] },
  }
}
const serving = (id: string, ...models: readonly string[]): TestEvent =>
  providerRegistered(id, { models: { static: [...models] } })
const onProvider = (id: string, type: 'ProviderDisabled' | 'ProviderDrainStarted'): TestEvent => ({
  type,
  stream: providerStream(providerId(id)),
  body: {},
})

const snapshot = compiled(
  serving('openai', 'gpt-4o', 'shared'),
  serving('groq', 'meta-llama/Llama-3', 'openai/gpt-oss', 'shared'),
  serving('off', 'gone'),
  serving('tired', 'slow'),
  logical('fast', 'groq/meta-llama/Llama-3', ['quick', 'openai/quick']),
  onProvider('off', 'ProviderDisabled'),
  onProvider('tired', 'ProviderDrainStarted'),
)

const resolved = (name: string): string | null => {
  const route = resolveModel(snapshot, name)
  return route === null
    ? null
    : `${route.model}: ${route.candidates.map(({ deployment, weight }) => `${deployment.provider}>${deployment.model}*${weight}`).join(' ')}`
}

describe('a model name', () => {
  test.each([
    ['fast', 'fast: groq>meta-llama/Llama-3*1'],
    ['quick', 'fast: groq>meta-llama/Llama-3*1'],
    ['gpt-4o', 'gpt-4o: openai>gpt-4o*1'],
    ['shared', 'shared: openai>shared*1 groq>shared*1'],
    // Slashes are part of names…
    ['meta-llama/Llama-3', 'meta-llama/Llama-3: groq>meta-llama/Llama-3*1'],
    // …also where the part before them is a provider: the exact name wins.
    ['openai/gpt-oss', 'openai/gpt-oss: groq>openai/gpt-oss*1'],
    ['openai/quick', 'fast: groq>meta-llama/Llama-3*1'],
    // A provider before the slash pins it.
    ['groq/shared', 'groq/shared: groq>shared*1'],
    ['groq/meta-llama/Llama-3', 'groq/meta-llama/Llama-3: groq>meta-llama/Llama-3*1'],
    ['groq/nobody/lists-this', 'groq/nobody/lists-this: groq>nobody/lists-this*1'],
    ['tired/slow', 'tired/slow: tired>slow*0'],
  ])('%s is served by %s', (name, expected) => {
    expect(resolved(name)).toBe(expected)
  })

  test.each([
    'unknown',
    '',
    ' fast',
    'FAST',
    'gone',
    'slow',
    'off/gone',
    'nobody/gpt-4o',
    'OpenAI/gpt-4o',
    '/gpt-4o',
    'openai/',
    'openai',
    '/',
    '__proto__',
    'constructor',
    '__proto__/x',
    'openai/with space',
    'openai/with\nnewline',
    'openai/with"quote',
    `openai/${'x'.repeat(201)}`,
    `openai/${'x'.repeat(1_000_000)}`,
  ])('%j is unknown', (name) => {
    expect(resolved(name.slice(0, 2_000_000))).toBeNull()
  })

  test('pinned is the listed deployment itself where there is one', () => {
    const provider = snapshot.providers.get(providerId('groq'))
    expect(resolveModel(snapshot, 'groq/shared')?.candidates[0]?.deployment).toBe(
      provider?.deployments.get('shared'),
    )
    expect(resolveModel(snapshot, 'groq/other')?.candidates[0]?.deployment.slot).toBe(provider?.pin('').slot)
  })
})
