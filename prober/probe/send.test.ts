import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ProviderProbe } from '#contracts/catalog/provider.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { Secret } from '#contracts/security/secret.ts'
import type { OutcomeClass } from '#contracts/telemetry/outcome.ts'
import { behaviours, type Behaviour } from '#test/fakes/behaviour.ts'
import { FakeProvider } from '#test/fakes/provider.ts'
import type { RosterEntry } from './plan.ts'
import { ProbeSender } from './send.ts'

let provider: FakeProvider
let sender: ProbeSender

beforeAll(async () => {
  provider = await FakeProvider.start()
  sender = new ProbeSender(systemClock)
})
afterEach(() => provider.reset())
afterAll(async () => {
  await sender[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

const entry = (more: Partial<RosterEntry> = {}): RosterEntry => ({
  provider: 'p',
  model: 'm',
  kind: 'openai',
  baseUrl: provider.baseUrl,
  allowPrivate: true,
  weight: 1,
  routes: ['m'],
  probe: ProviderProbe.parse({}),
  credential: new Secret('sk-1'),
  ...more,
})

describe('a probe', () => {
  test('is the smallest chat completion there is', async () => {
    const result = await sender.send(entry(), 5_000)
    expect(result?.outcome).toBe('success')
    expect(result?.ms).toBeGreaterThan(0)
    expect(provider.last.path).toBe('/v1/chat/completions')
    expect(provider.last.headers.authorization).toBe('Bearer sk-1')
    expect(JSON.parse(provider.last.body.toString())).toEqual({
      model: 'm',
      messages: [{ role: 'user', content: 'ping' }],
      max_tokens: 16,
    })
  })

  test('asks for the model the operator named, and keeps path prefix and query', async () => {
    const probe = ProviderProbe.parse({ model: 'small' })
    await sender.send(
      entry({ kind: 'gemini', baseUrl: `${provider.baseUrl}/?v=2`, probe, credential: null }),
      5_000,
    )
    expect(provider.last.path).toBe('/v1/openai/chat/completions?v=2')
    expect(provider.last.model).toBe('small')
    expect(provider.last.headers.authorization).toBeUndefined()
  })

  test('may be given any part of a millisecond to wait', async () => {
    expect((await sender.send(entry(), 4_060.123))?.outcome).toBe('success')
  })

  test.each<[OutcomeClass, Behaviour]>([
    ['throttled', behaviours.throttled()],
    ['exhausted', behaviours.unpaid],
    ['unauthorised', behaviours.badKey],
    ['unauthorised', behaviours.forbidden],
    ['missing', behaviours.noSuchModel],
    ['invalid', behaviours.badRequest],
    ['overloaded', behaviours.overloaded],
    ['overloaded', behaviours.siteOverloaded],
    ['fault', behaviours.serverError],
    ['fault', behaviours.badGateway],
    ['fault', behaviours.html],
    ['fault', behaviours.empty],
    ['fault', behaviours.truncatedJson],
    ['fault', behaviours.errorInside],
    ['fault', behaviours.nullChoices],
    ['fault', behaviours.cutBeforeHeaders],
    ['fault', behaviours.resetAfterBytes(40)],
    ['fault', { body: `{"choices":[],"x":"${'x'.repeat(300_000)}"}` }],
  ])('is %s when the provider does %j', async (outcome, behaviour) => {
    provider.byDefault(behaviour)
    expect((await sender.send(entry(), 5_000))?.outcome).toBe(outcome)
  })

  test.each([behaviours.hangBeforeHeaders, behaviours.hangAfterHeaders])(
    'is given up in time: %j',
    async (behaviour) => {
      provider.byDefault(behaviour)
      const result = await sender.send(entry(), 200)
      expect(result?.outcome).toBe('timeout')
      expect(result?.ms).toBeLessThan(2_000)
    },
  )

  test('of nobody is a fault', async () => {
    await provider.stopListening()
    expect((await sender.send(entry(), 5_000))?.outcome).toBe('fault')
    await provider.listen()
  })

  test('learns which models want the limit under its newer name', async () => {
    provider.next(behaviours.badRequest)
    expect((await sender.send(entry({ model: 'thinker' }), 5_000))?.outcome).toBe('success')
    expect(JSON.parse(provider.last.body.toString())).toMatchObject({ max_completion_tokens: 16 })
    await sender.send(entry({ model: 'thinker' }), 5_000)
    expect(provider.requests).toHaveLength(3)
    expect(JSON.parse(provider.last.body.toString())).not.toHaveProperty('max_tokens')
  })

  test.each(['http://127.0.0.1:1/v1', 'http://localhost:1/v1', 'http://[::1]:1/v1'])(
    'is not sent to %s unless the operator allows private addresses',
    async (baseUrl) => {
      expect(await sender.send(entry({ baseUrl, allowPrivate: false }), 5_000)).toBeNull()
    },
  )
})
