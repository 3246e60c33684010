import { beforeEach, describe, expect, test } from 'vitest'
import { deployment } from '#test/fakes/deployment.ts'
import { FAULT, HealthRig, SSE } from '#test/fakes/health-rig.ts'
import { failure } from '../classify.ts'

let rig: HealthRig
beforeEach(() => {
  rig = new HealthRig()
})

describe('the breaker', () => {
  test.each(['fault', 'cut'] as const)('opens with the fifth %s in a row', (outcome) => {
    const target = deployment('a')
    rig.fail(target, failure(outcome), 4)
    expect(rig.standing(target).out).toBeNull()
    rig.fail(target, failure(outcome))
    expect(rig.standing(target).out).toBe('open')
    expect(rig.edges).toEqual([{ kind: 'ejected', provider: 'a', model: 'm' }])
  })

  test('opens with the second silence in a row', () => {
    const target = deployment('a')
    rig.fail(target, failure('timeout'))
    rig.fail(target, FAULT)
    rig.fail(target, failure('timeout'))
    expect(rig.standing(target).out).toBeNull()
    rig.fail(target, failure('timeout'))
    expect(rig.standing(target).out).toBe('open')
  })

  test('opens when half of at least eight of the last attempts failed', () => {
    const target = deployment('a')
    for (let time = 0; time < 4; time++) {
      rig.fail(target)
      rig.end(rig.begin(target), null)
    }
    expect(rig.standing(target).out).toBeNull()
    rig.fail(target)
    expect(rig.standing(target).out).toBe('open')
  })

  test('is not opened by what the client did, a missing model, a key or a limit', () => {
    for (const outcome of ['invalid', 'cancelled', 'missing', 'unauthorised', 'throttled'] as const) {
      const target = deployment(outcome)
      rig.fail(target, failure(outcome), 1_000)
      expect(rig.standing(target).out).not.toBe('open')
      expect(rig.standing(target).local).toBe(1)
    }
    expect(rig.edges.filter(({ kind }) => kind === 'ejected')).toEqual([])
  })

  test('stays open for 2 s, then twice as long each time, 15 s at most', () => {
    const target = deployment('a')
    rig.fail(target, FAULT, 5)
    const lengths = [rig.outMs(target)]
    for (let time = 0; time < 5; time++) {
      rig.clock.advance(rig.outMs(target))
      // One fault is enough: the request let through was the trial.
      rig.fail(target)
      lengths.push(rig.outMs(target))
    }
    expect(lengths).toEqual([2_000, 4_000, 8_000, 15_000, 15_000, 15_000])
  })

  test('stays open half as long to half as long again, by dice, so that nodes do not return together', () => {
    for (const [dice, ms] of [
      [0, 1_000],
      [0.999, 2_998],
    ] as const) {
      const target = deployment(`a${ms}`)
      rig.draw = dice
      rig.fail(target, FAULT, 5)
      expect(rig.outMs(target)).toBe(ms)
    }
  })

  test('lets exactly one trial through, and closes when its answer begins', () => {
    const target = deployment('a')
    rig.fail(target, FAULT, 5)
    rig.clock.advance(2_000)
    expect(rig.standing(target)).toMatchObject({ out: null, isTrial: true })
    const trial = rig.begin(target)
    expect(rig.standing(target).out).toBe('trial')
    rig.health.first(trial, 50, rig.clock.monotonic())
    expect(rig.standing(target)).toMatchObject({ out: null, isTrial: false })
    expect(rig.edges.at(-1)).toEqual({ kind: 'restored', provider: 'a', model: 'm' })
  })

  test('lets another trial through when the client of the first has left', () => {
    const target = deployment('a')
    rig.fail(target, FAULT, 5)
    rig.clock.advance(2_000)
    rig.end(rig.begin(target), failure('cancelled'))
    expect(rig.standing(target)).toMatchObject({ out: null, isTrial: true })
  })

  test('is not closed by what was under way when it opened, but by what was asked as a last resort', () => {
    const target = deployment('a')
    const before = rig.begin(target)
    rig.clock.advance(100)
    rig.fail(target, FAULT, 5)
    rig.clock.advance(100)
    rig.health.first(before, 200, rig.clock.monotonic())
    expect(rig.standing(target).out).toBe('open')
    rig.answer(target)
    expect(rig.standing(target).out).toBeNull()
  })

  test('gives the share back over ten seconds', () => {
    const target = deployment('a')
    rig.fail(target, FAULT, 5)
    rig.clock.advance(2_000)
    rig.answer(target, 0)
    expect(rig.standing(target).local).toBeCloseTo(0.1)
    rig.clock.advance(5_000)
    expect(rig.standing(target).local).toBeCloseTo(0.55)
    rig.clock.advance(5_000)
    expect(rig.standing(target).local).toBe(1)
  })

  test('is tried early when the prober sees it recovering', () => {
    const target = deployment('a', { slot: rig.slots.of('a/m') })
    rig.fail(target, FAULT, 5)
    rig.clock.advance(1_500)
    rig.tell({ factor: 0.05, state: 'recovering' })
    expect(rig.standing(target)).toMatchObject({ out: null, isTrial: true })
  })

  test('is of one deployment: others of the provider stay', () => {
    const [one, other] = [deployment('a', { model: 'x' }), deployment('a', { model: 'y' })]
    rig.fail(one, FAULT, 5)
    expect([rig.standing(one).out, rig.standing(other).out]).toEqual(['open', null])
  })
})

describe('the share a deployment keeps', () => {
  test('falls with its failures, beyond those that all have in common', () => {
    const target = deployment('a', { slot: rig.slots.of('a/m') })
    rig.answers(target, 20, 1)
    rig.fail(target, FAULT, 3)
    const alone = rig.standing(target).local
    expect(alone).toBeLessThan(0.6)
    rig.tell({ errorsOfBest: 0.12 })
    expect(rig.standing(target).local).toBe(1)
  })

  test('falls with slowness against its own habit, not against others’', () => {
    const slow = deployment('slow')
    rig.answers(slow, 40, 3_000)
    expect(rig.standing(slow).local).toBe(1)
    const turning = deployment('turning')
    rig.answers(turning, 110, 100)
    rig.answers(turning, 15, 500)
    expect(rig.standing(turning).local).toBeLessThan(0.4)
  })

  test('knows that long prompts take longer', () => {
    const target = deployment('a')
    for (let time = 0; time < 40; time++) {
      const size = time % 5
      rig.answer(target, 200 + 100 * size, { mode: 'sse', size })
    }
    expect(rig.standing(target, { mode: 'sse', size: 20 }).expectedMs).toBeCloseTo(2_200, -1)
    for (let time = 0; time < 20; time++) rig.answer(target, 1_200, { mode: 'sse', size: 10 })
    expect(rig.standing(target).local).toBe(1)
  })

  test('falls while two wait for far longer than expected, before anything has failed', () => {
    const target = deployment('a')
    rig.answers(target, 110, 100)
    rig.begin(target)
    rig.clock.advance(400)
    // One alone may be unlucky: it counts half.
    expect(rig.standing(target).local).toBe(1)
    rig.begin(target)
    rig.clock.advance(600)
    expect(rig.standing(target).local).toBeLessThan(0.1)
  })

  test('is what the fleet’s habit says where there is one', () => {
    const target = deployment('a', { slot: rig.slots.of('a/m') })
    rig.tell({ usual: { sse: { t0: 50, perK: 0 } } })
    rig.answers(target, 15, 300)
    expect(rig.standing(target).local).toBeLessThan(0.1)
  })
})

describe('a deployment that is out of capacity', () => {
  test('is broken when it says 503 again and again and not until when', () => {
    const target = deployment('a')
    rig.fail(target, { ...failure('overloaded'), status: 503 }, 5)
    expect(rig.standing(target).out).toBe('open')
  })

  const OVERLOADED = failure('overloaded')

  test('is full at four fifths of what it had, which grows back', () => {
    const target = deployment('a')
    const tickets = Array.from({ length: 11 }, () => rig.begin(target))
    rig.end(tickets.pop()!, OVERLOADED)
    expect(rig.standing(target)).toMatchObject({ out: null, isFull: true })
    for (const ticket of tickets.splice(0, 3)) rig.end(ticket, null)
    expect(rig.standing(target).isFull).toBe(false)
    rig.begin(target)
    rig.begin(target)
    expect(rig.standing(target).isFull).toBe(true)
    rig.clock.advance(10_000)
    expect(rig.standing(target).isFull).toBe(false)
    rig.clock.advance(60_000)
    for (let time = 0; time < 100; time++) rig.begin(target)
    expect(rig.standing(target).isFull).toBe(false)
  })

  test('is left alone for as long as it asks', () => {
    const target = deployment('a')
    rig.fail(target, { ...OVERLOADED, retryAfterMs: 10_000 })
    expect(rig.standing(target)).toMatchObject({ out: 'throttled', waitMs: 7_500 })
    expect(rig.outMs(target)).toBe(7_500)
  })
})

test('a deployment that does not know the model is out for a minute, and nothing is held against it', () => {
  const target = deployment('a')
  rig.fail(target, failure('missing'))
  expect(rig.standing(target)).toMatchObject({ out: 'missing', local: 1 })
  expect(rig.outMs(target)).toBe(60_000)
})

describe('the retry budget', () => {
  test('allows one further try for every five requests, beyond what was saved', () => {
    const spend = (): number => rig.health.budget.spend(false, rig.clock.monotonic())
    while (spend() > 0);
    for (let request = 0; request < 11; request++) rig.health.arrived(SSE, rig.clock.monotonic())
    expect([spend(), spend(), spend()]).toEqual([1, 1, 0])
  })

  test('gets back what brought an answer, and pays more where there is no capacity', () => {
    while (rig.health.budget.spend(false, rig.clock.monotonic()) > 0);
    rig.health.budget.refund(1.5)
    expect(rig.health.budget.spend(true, rig.clock.monotonic())).toBe(1.5)
    expect(rig.health.budget.spend(false, rig.clock.monotonic())).toBe(0)
  })
})

test('asking is the more in vain the less of it is accepted', () => {
  const target = deployment('a')
  const futility = (): number => rig.health.futility(target, rig.clock.monotonic())
  expect(futility()).toBe(0)
  rig.fail(target, FAULT, 40)
  expect(futility()).toBeGreaterThan(0.9)
  rig.answers(target, 60, 1)
  expect(futility()).toBe(0)
})
