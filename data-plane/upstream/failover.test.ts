import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#contracts/process/clock.ts'
import { ok } from '#contracts/result.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { WeightFactors } from '#data-plane/routing/factors.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import type { Candidate, Lane } from '#data-plane/routing/snapshot.ts'
import { eventually } from '#test/eventually.ts'
import { ANSWER, JSON_TYPE, prepared } from '#test/fakes/attempt-rig.ts'
import { behaviours, type Behaviour } from '#test/fakes/behaviour.ts'
import { deployment, lane } from '#test/fakes/deployment.ts'
import { FakeProvider } from '#test/fakes/provider.ts'
import { answered, RawUpstream } from '#test/fakes/raw-upstream.ts'
import { RecordedClient } from '#test/fakes/recorded-client.ts'
import { runPlan, type AttemptRecord, type PlanInput, type PlanResult } from './failover.ts'
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
      prepare: ({ provider }) =>
        ok(prepared(`{"model":"m","stream":${over.stream === true},"for":"${provider}"}`)),
      dropState: () => false,
      timeoutMs: 5_000,
      client,
      onFirst: () => undefined,
      onAttempt: (record) => void records.push(record),
      ...over,
    },
  )

const told = (): readonly string[] =>
  records.map(
    ({ deployment: { provider }, lane: { credential }, outcome }) => `${provider} ${credential} ${outcome}`,
  )

describe('a plan', () => {
  test('is over with the first candidate that answers', async () => {
    expect(await run([to('a'), to('b')])).toEqual({ kind: 'answered', attempts: 1, failure: null })
    expect(told()).toEqual(['a sk-a success'])
    expect(records[0]).toMatchObject({ firstMs: expect.any(Number), totalMs: expect.any(Number) })
    expect(providers.b.stats.requests).toBe(0)
    expect(client.head).toMatchObject({ attempt: 1 })
  })

  test('gives each candidate a body of its own', async () => {
    providers.a.byDefault(behaviours.serverError)
    await run([to('a'), to('b')])
    expect([providers.a.last.body.toString(), providers.b.last.body.toString()]).toEqual([
      '{"model":"m","stream":false,"for":"a"}',
      '{"model":"m","stream":false,"for":"b"}',
    ])
    expect([providers.a.last.headers.authorization, providers.b.last.headers.authorization]).toEqual([
      'Bearer sk-a',
      'Bearer sk-b',
    ])
  })

  test.each<[string, Behaviour]>([
    ['fault', behaviours.serverError],
    ['overloaded', behaviours.siteOverloaded],
    ['missing', behaviours.noSuchModel],
    ['timeout', behaviours.hangBeforeHeaders],
    ['throttled', behaviours.throttled()],
    ['unauthorised', behaviours.badKey],
    ['exhausted', behaviours.quotaGone],
    ['fault', behaviours.html],
  ])('moves on at once after: %s', async (outcome, behaviour) => {
    providers.a.byDefault(behaviour)
    expect(await run([to('a'), to('b')])).toMatchObject({ kind: 'answered', attempts: 2, failure: null })
    expect(told()).toEqual([`a sk-a ${outcome}`, 'b sk-b success'])
    expect(client.head).toMatchObject({ attempt: 2 })
    expect(client.calls).toEqual(['begin', 'end'])
  })

  test('ends with the caller’s own mistake: nobody else is asked', async () => {
    providers.a.byDefault(behaviours.badRequest)
    const result = await run([to('a'), to('b')])
    expect(result).toMatchObject({
      kind: 'refused',
      attempts: 1,
      deployment: { provider: 'a' },
      refused: { status: 400 },
    })
    expect(providers.b.stats.requests).toBe(0)
    expect(told()).toEqual(['a sk-a invalid'])
  })

  test('that nobody could answer tells of every failure, in order', async () => {
    providers.a.byDefault(behaviours.serverError)
    providers.b.byDefault(behaviours.overloaded)
    providers.c.byDefault(behaviours.throttled('9'))
    const result = await run([to('a'), to('b'), to('c')])
    expect(result).toMatchObject({
      kind: 'exhausted',
      attempts: 3,
      refusal: null,
      failures: [
        { outcome: 'fault', status: 500 },
        { outcome: 'overloaded', status: 503 },
        { outcome: 'throttled', retryAfterMs: 9_000 },
      ],
    })
    expect(client.calls).toEqual([])
  })

  test('with nobody in it is exhausted', async () => {
    expect(await run([])).toEqual({
      kind: 'exhausted',
      attempts: 0,
      failures: [],
      refusal: { why: 'none', waitMs: null },
    })
  })

  test('is cut off by the time of the whole request', async () => {
    for (const provider of Object.values(providers)) provider.byDefault(behaviours.hangBeforeHeaders)
    expect(await run([to('a'), to('b'), to('c')], { timeoutMs: 900 })).toMatchObject({
      kind: 'exhausted',
      attempts: 2,
      failures: [{ outcome: 'timeout' }, { outcome: 'timeout' }],
    })
  })

  test('never goes on once something has been told', async () => {
    providers.a.byDefault({
      ...behaviours.cutAfterBytes(700),
      words: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'],
    })
    const result = await run([to('a'), to('b')], { stream: true })
    expect(result).toMatchObject({ kind: 'answered', attempts: 1, failure: { outcome: 'cut' } })
    expect(providers.b.stats.requests).toBe(0)
    expect(client.body.toString()).toContain('stream_broken')
  })

  test('is given up when the client leaves, and counts against nobody', async () => {
    providers.a.byDefault(behaviours.hangBeforeHeaders)
    const result = run([to('a'), to('b')])
    await eventually(() => providers.a.stats.open === 1)
    client.leave()
    expect(await result).toEqual({ kind: 'cancelled', attempts: 1 })
    expect(told()).toEqual(['a sk-a cancelled'])
    expect(providers.b.stats.requests).toBe(0)
    await eventually(() => providers.a.stats.aborted === 1)
  })
})

describe('credentials of one provider', () => {
  const two = (): readonly Lane[] => [lane('k1', 1e9), lane('k2', 1e-9)]

  test.each<[string, Behaviour]>([
    ['throttled', behaviours.throttled()],
    ['unauthorised', behaviours.badKey],
    ['unauthorised', behaviours.forbidden],
    ['exhausted', behaviours.unpaid],
  ])('are tried one after the other when one is %s', async (outcome, behaviour) => {
    providers.a.when({ authorization: 'Bearer k1' }, behaviour)
    expect(await run([to('a', two()), to('b')])).toMatchObject({
      kind: 'answered',
      attempts: 2,
      failure: null,
    })
    expect(told()).toEqual([`a k1 ${outcome}`, 'a k2 success'])
  })

  test('are not tried again when the provider is at fault', async () => {
    providers.a.byDefault(behaviours.serverError)
    await run([to('a', two()), to('b')])
    expect(told()).toEqual(['a k1 fault', 'b sk-b success'])
  })

  test('are each tried once before the next provider', async () => {
    providers.a.byDefault(behaviours.throttled('30'))
    await run([to('a', [lane('k1'), lane('k2'), lane('k3')]), to('b')])
    expect(told().slice(0, 3).sort()).toEqual(['a k1 throttled', 'a k2 throttled', 'a k3 throttled'])
    expect(told()[3]).toBe('b sk-b success')
  })

  test('that rest are passed over by the next request', async () => {
    providers.a.when({ authorization: 'Bearer k1' }, behaviours.throttled('30'))
    const plan = [to('a', two())]
    await run(plan)
    records.length = 0
    expect(await run(plan)).toMatchObject({ kind: 'answered', attempts: 1 })
    expect(told()).toEqual(['a k2 success'])
  })

  test('that were all told to wait are not asked before, and the client is told when', async () => {
    providers.a.next(behaviours.throttled('30'), behaviours.throttled('30'))
    const plan = [to('a', two())]
    expect((await run(plan)).kind).toBe('exhausted')
    expect(await run(plan)).toMatchObject({ kind: 'exhausted', attempts: 0, refusal: { why: 'limited' } })
    expect(providers.a.stats.requests).toBe(2)
  })

  test('that were all refused are asked all the same when there is nobody else', async () => {
    providers.a.next(behaviours.badKey, behaviours.badKey)
    const plan = [to('a', two())]
    expect((await run(plan)).kind).toBe('exhausted')
    expect(await run(plan)).toMatchObject({ kind: 'answered', attempts: 1 })
  })

  test('of which one is throttled and one revoked are noticed neither by the client nor by the other provider', async () => {
    providers.a.when({ authorization: 'Bearer k1' }, behaviours.throttled('30'))
    providers.a.when({ authorization: 'Bearer k2' }, behaviours.badKey)
    const [a, b] = [to('a', two()), to('b')]
    for (let time = 0; time < 50; time++) {
      expect(await run([a, b])).toMatchObject({ kind: 'answered', failure: null })
    }
    expect(providers.a.stats.requests).toBe(2)
    expect(told().filter((line) => line !== 'b sk-b success')).toEqual([
      'a k1 throttled',
      'a k2 unauthorised',
    ])
    expect(health.standing(b.deployment, ASK, systemClock.monotonic())).toMatchObject({ out: null, local: 1 })
  })
})

describe('a connection that breaks before a byte of answer', () => {
  test('is made once more, and the first is not counted', async () => {
    providers.a.next(behaviours.cutBeforeHeaders)
    expect(await run([to('a'), to('b')])).toMatchObject({ kind: 'answered', attempts: 2, failure: null })
    expect(told()).toEqual(['a sk-a success'])
  })

  test('twice is a fault', async () => {
    providers.a.byDefault(behaviours.resetBeforeHeaders)
    expect(await run([to('a'), to('b')])).toMatchObject({ kind: 'answered', attempts: 3, failure: null })
    expect(told()).toEqual(['a sk-a fault', 'b sk-b success'])
    expect(providers.a.stats.requests).toBe(2)
  })

  test('because it was idle for too long is not noticed by the client', async () => {
    const plan = [to('a')]
    await run(plan)
    providers.a.dropIdleConnections()
    expect(await run(plan)).toMatchObject({ kind: 'answered', failure: null })
    expect(told()).toEqual(['a sk-a success', 'a sk-a success'])
  })

  test('is made once more over a new one, as others that were idle may be closed, too', async () => {
    // Closes each connection when it is used a second time.
    const used = new Set<Socket>()
    await using up = await RawUpstream.start((socket) => {
      if (used.has(socket)) socket.destroy()
      else socket.write(answered(200, JSON_TYPE, ANSWER))
      used.add(socket)
    })
    const there = deployment('a', { origin: up.origin, timeouts: TIMEOUTS })
    const plan = [{ deployment: there, tier: 0, weight: 1 }]
    await Promise.all([run(plan), run(plan), run(plan)])
    expect(up.connections).toBe(3)
    expect(await run(plan)).toMatchObject({ kind: 'answered', attempts: 2, failure: null })
    expect(up.connections).toBe(4)
  })

  test('is no news when nobody listens: the next candidate answers', async () => {
    await providers.a.stopListening()
    expect(await run([to('a'), to('b')])).toMatchObject({ kind: 'answered', attempts: 2 })
    expect(told()).toEqual(['a sk-a fault', 'b sk-b success'])
  })
})

describe('pace', () => {
  test('that is used up moves on to the next candidate without a request', async () => {
    const plan = [to('a', undefined, 1), to('b')]
    await run(plan)
    expect(await run(plan)).toMatchObject({ kind: 'answered', attempts: 1 })
    expect(told()).toEqual(['a sk-a success', 'b sk-b success'])
  })

  test('that is used up everywhere is told apart from failures', async () => {
    const plan = [to('a', undefined, 1)]
    await run(plan)
    expect(await run(plan)).toMatchObject({
      kind: 'exhausted',
      attempts: 0,
      failures: [],
      refusal: { why: 'limited' },
    })
  })
})
