import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#contracts/process/clock.ts'
import { ok } from '#contracts/result.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { WeightFactors } from '#data-plane/routing/factors.ts'
import type { Pick } from '#contracts/routing/pick.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import type { Candidate, Lane } from '#data-plane/routing/snapshot.ts'
import { eventually } from '#test/eventually.ts'
import { prepared } from '#test/fakes/attempt-rig.ts'
import { behaviours } from '#test/fakes/behaviour.ts'
import { deployment, lane } from '#test/fakes/deployment.ts'
import { FakeProvider } from '#test/fakes/provider.ts'
import { RecordedClient } from '#test/fakes/recorded-client.ts'
import { runPlan, type AttemptRecord, type PlanInput, type PlanResult } from './failover.ts'
import { failure } from './classify.ts'
import { Health, type Ask } from './health/health.ts'
import { Pools } from './pools.ts'

let providers: Readonly<Record<'a' | 'b' | 'c', FakeProvider>>
let pools: Pools
let health: Health
let client: RecordedClient
let records: AttemptRecord[]

beforeAll(async () => {
  providers = { a: await FakeProvider.start(), b: await FakeProvider.start(), c: await FakeProvider.start() }
})
afterAll(async () => {
  for (const provider of Object.values(providers)) await provider[Symbol.asyncDispose]()
})
beforeEach(async () => {
  for (const provider of Object.values(providers)) {
    provider.reset().resetOnAccept(false)
    await provider.listen()
  }
  pools = new Pools(() => undefined)
  health = new Health({
    factors: new WeightFactors(new Slots()),
    random: () => 0.5,
    onEdge: () => undefined,
  })
  client = new RecordedClient()
  records = []
})
afterEach(() => pools[Symbol.asyncDispose]())

const TIMEOUTS = { connectMs: 300, answerMs: 600, firstTokenMs: 600, idleMs: 1_000 }

function to(
  name: 'a' | 'b' | 'c',
  lanes: readonly Lane[] = [lane(`sk-${name}`)],
  maxQps = Infinity,
): Candidate {
  const origin = `http://127.0.0.1:${providers[name].port}`
  return { deployment: deployment(name, { origin, timeouts: TIMEOUTS, lanes, maxQps }), tier: 0, weight: 1 }
}

const ASK: Ask = { mode: 'json', size: 0 }

/** In tiers, so that the first is tried first. */
const run = (plan: readonly Candidate[], over: Partial<PlanInput> = {}): Promise<PlanResult> =>
  runPlan(
    { pools, health, clock: systemClock },
    {
      candidates: plan.map((one, tier) => ({ ...one, tier })),
      taste: STRATEGIES.balanced,
      region: null,
      session: null,
      credential: null,
      ask: ASK,
      dice: diceOf(1),
      stream: false,
      prepare: () => ok(prepared()),
      dropState: () => false,
      timeoutMs: 5_000,
      client,
      onFirst: () => undefined,
      onAttempt: (record) => void records.push(record),
      ...over,
    },
  )

describe('a provider that is alone', () => {
  test('is asked again after a fault, at once but for a moment', async () => {
    providers.a.next(behaviours.serverError, behaviours.serverError)
    expect(await run([to('a')])).toMatchObject({ kind: 'answered', attempts: 3, failure: null })
    expect(records.map(({ why }) => why)).toEqual(['weight', 'again', 'again'])
  })

  test('is asked three times and no more', async () => {
    providers.a.byDefault(behaviours.serverError)
    expect(await run([to('a')])).toMatchObject({ kind: 'exhausted', attempts: 3 })
  })

  test('is asked again when it said so, if that is soon', async () => {
    providers.a.next(behaviours.throttled('0.1'))
    const startedAt = performance.now()
    expect(await run([to('a')])).toMatchObject({ kind: 'answered', attempts: 2 })
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(99)
  })

  test.each([
    ['does not know the model', behaviours.noSuchModel],
    ['refuses the key', behaviours.badKey],
    ['asks for half a minute', behaviours.throttled('30')],
  ] as const)('is not asked again when it %s', async (_what, behaviour) => {
    providers.a.byDefault(behaviour)
    expect(await run([to('a')])).toMatchObject({ kind: 'exhausted', attempts: 1 })
  })

  test('is not waited for by a client that has left', async () => {
    providers.a.next(behaviours.throttled('2'))
    const result = run([to('a')], { timeoutMs: 20_000 })
    await eventually(() => records.length === 1)
    client.leave()
    expect(await result).toEqual({ kind: 'cancelled', attempts: 1 })
  })

  test('has traffic again by itself after 40 failures', async () => {
    const a = to('a')
    for (let time = 0; time < 40; time++) {
      const ticket = health.begin(a.deployment, a.deployment.lanes[0]!, ASK, 'cold', systemClock.monotonic())
      health.end(ticket, failure('fault'), null, systemClock.monotonic())
    }
    expect(health.standing(a.deployment, ASK, systemClock.monotonic())).toMatchObject({ out: 'open' })
    // Asked as a last resort now and then, and at the latest when its breaker is half-open, in two seconds.
    await eventually(async () => (await run([a])).kind === 'answered')
    for (let time = 0; time < 20; time++) expect((await run([a])).kind).toBe('answered')
  })
})

describe('further tries', () => {
  test('end when the budget is spent: trouble everywhere is not doubled', async () => {
    for (const provider of [providers.a, providers.b]) provider.byDefault(behaviours.serverError)
    while (health.budget.spend(false, systemClock.monotonic()) > 0);
    expect(await run([to('a'), to('b')])).toMatchObject({ kind: 'exhausted', attempts: 1 })
  })

  test('for a refused key or a missing model cost nothing of it', async () => {
    providers.a.byDefault(behaviours.badKey)
    providers.b.byDefault(behaviours.noSuchModel)
    while (health.budget.spend(false, systemClock.monotonic()) > 0);
    expect(await run([to('a'), to('b'), to('c')])).toMatchObject({ kind: 'answered', attempts: 3 })
  })

  test('are told with why each was made and what it was chosen from', async () => {
    providers.a.byDefault(behaviours.serverError)
    const picks: Pick[] = []
    await run([to('a'), to('b')], { onPick: (pick) => void picks.push(pick) })
    expect(records.map(({ why, outcome }) => [why, outcome])).toEqual([
      ['weight', 'fault'],
      ['weight', 'success'],
    ])
    expect(picks.map(({ scored }) => scored.map(({ standing: { out } }) => out))).toEqual([
      [null, null],
      ['tried', null],
    ])
  })
})

describe('what health learns from a plan', () => {
  const outOf = (one: Candidate): string | null =>
    health.standing(one.deployment, ASK, systemClock.monotonic()).out

  test('is that five faults put a deployment aside', async () => {
    providers.a.byDefault(behaviours.serverError)
    const a = to('a')
    for (let time = 0; time < 2; time++) await run([a])
    expect(outOf(a)).toBe('open')
  })

  test('is that a tier which fails hands its requests on before that', async () => {
    providers.a.byDefault(behaviours.serverError)
    const [a, b] = [to('a'), to('b')]
    for (let time = 0; time < 20; time++) await run([a, b])
    expect(providers.a.stats.requests).toBeLessThan(5)
    expect(outOf(b)).toBeNull()
  })

  test('is nothing from a thousand malformed requests', async () => {
    providers.a.byDefault(behaviours.badRequest)
    const a = to('a')
    for (let time = 0; time < 1_000; time++) await run([a])
    expect(health.standing(a.deployment, ASK, systemClock.monotonic())).toMatchObject({ out: null, local: 1 })
    expect(health.futility(a.deployment, systemClock.monotonic())).toBe(0)
  })

  test('is nothing from clients that leave', async () => {
    providers.a.byDefault(behaviours.hangBeforeHeaders)
    const a = to('a')
    for (let time = 0; time < 10; time++) {
      client = new RecordedClient()
      const result = run([a])
      await eventually(() => providers.a.stats.open === 1)
      client.leave()
      await result
      await eventually(() => providers.a.stats.open === 0)
    }
    expect(outOf(a)).toBeNull()
  })
})
