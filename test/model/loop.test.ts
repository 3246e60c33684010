/**
 * The loop from what nodes saw to the weights they use, closed, in virtual time.
 *
 * Shares are the probabilities with which clients are sent to a provider first, so they carry no noise of
 * their own; where there is enough traffic the choices really made are counted as well.
 */
import { describe, expect, test } from 'vitest'
import type { Mode } from '#contracts/telemetry/report.ts'
import { World, type WorldOptions } from './world.ts'

/** Two equal providers, three nodes, and as much calm as it takes to learn what is usual. */
function calmWorld(rate: number, mode: Mode, more: Partial<WorldOptions> = {}): World {
  const world = new World({
    seed: 7,
    rate,
    nodes: 3,
    mode,
    firstMs: 300,
    spread: 0.4,
    isProbing: true,
    ...more,
  })
  world.run(120_000)
  return world
}

const fallen = (world: World) => () => world.share('a') <= 0.1
const back = (world: World) => () => world.share('a') >= 0.4

describe('a provider that turns ten times slower', () => {
  test.each([
    [2, 'sse'],
    [2, 'json'],
    [20, 'sse'],
    [20, 'json'],
    [100, 'sse'],
  ] as const)(
    'at %d requests a second, %s: loses four fifths of its share in 15 s and has it back in 60 s',
    (rate, mode) => {
      const world = calmWorld(rate, mode)
      expect(world.share('a')).toBeCloseTo(0.5, 2)

      world.weather.a.slow = 10
      expect(world.secondsUntil(fallen(world), 15)).toBeLessThan(15)
      const low = world.now
      world.run(40_000)
      expect(world.share('a')).toBeLessThan(0.1)
      if (rate >= 20) expect(world.picked('a', low)).toBeLessThan(0.1)
      expect(world.reason('a')).toMatch(/^(first token|answer) \d+(\.\d)? times its usual \d+ ms$/)

      world.weather.a.slow = 1
      expect(world.secondsUntil(back(world), 60)).toBeLessThan(60)
      world.run(30_000)
      expect(world.share('a')).toBeCloseTo(0.5, 2)
      expect(world.reason('a')).toBe('healthy')
    },
  )

  test('comes back without a single probe', () => {
    const world = calmWorld(2, 'sse', { isProbing: false })
    world.weather.a.slow = 10
    world.run(60_000)
    // What nobody has seen for a while is believed less, so its share breathes.
    expect(world.share('a')).toBeLessThan(0.2)
    world.weather.a.slow = 1
    expect(world.secondsUntil(back(world), 60)).toBeLessThan(60)
    expect(world.probes).toBe(0)
  })

  test('keeps its share when the other one is as slow: to move traffic would help nobody', () => {
    const world = calmWorld(20, 'sse')
    world.weather.a.slow = 10
    world.weather.b.slow = 10
    world.run(40_000)
    expect(world.share('a')).toBeGreaterThan(0.35)
    expect(world.share('a')).toBeLessThan(0.65)
  })
})

describe('a provider that fails', () => {
  test.each([2, 20, 100])('at %d requests a second: is out within 10 s and back within 30 s', (rate) => {
    const world = calmWorld(rate, 'sse')
    world.weather.a.failing = 1
    expect(world.secondsUntil(fallen(world), 10)).toBeLessThan(10)
    world.run(30_000)
    expect(world.share('a')).toBeLessThan(0.005)
    expect(world.reason('a')).toMatch(/^down for \d+ s: error rate \d+ % in the last seconds/)

    world.weather.a.failing = 0
    expect(world.secondsUntil(back(world), 30)).toBeLessThan(30)
    expect(world.unanswered).toBe(0)
  })

  test('and is never probed comes back by time and traffic alone', () => {
    const world = calmWorld(20, 'sse', { isProbing: false })
    world.weather.a.failing = 1
    world.run(60_000)
    expect(world.share('a')).toBeLessThan(0.1)
    world.weather.a.failing = 0
    expect(world.secondsUntil(back(world), 90)).toBeLessThan(90)
  })

  test('in three requests of ten loses most of its share', () => {
    const world = calmWorld(20, 'sse')
    world.weather.a.failing = 0.3
    world.run(20_000)
    const since = world.now
    world.run(60_000)
    expect(world.picked('a', since)).toBeLessThan(0.1)
    expect(world.reason('a')).toMatch(/error rate|rising|down for/)
  })
})

describe('a provider that falls silent', () => {
  // Nothing is counted before the nodes give up after a minute: that nothing comes is all there is to see.
  test.each([
    [2, 20],
    [20, 20],
    [100, 20],
  ])('at %d requests a second: is out within %d s and back within 90 s', (rate, seconds) => {
    const world = calmWorld(rate, 'sse')
    world.weather.a.isSilent = true
    expect(world.secondsUntil(fallen(world), seconds)).toBeLessThan(seconds)
    world.run(30_000)
    expect(world.share('a')).toBeLessThan(0.01)
    world.weather.a.isSilent = false
    // Attempts that began in the silence are given up, and counted, up to a minute later.
    expect(world.secondsUntil(back(world), 90)).toBeLessThan(90)
  })
})

describe('calm', () => {
  test.each([
    [[1, 1], 0.5],
    [[3, 1], 0.75],
  ] as const)('keeps the operator’s weights %j, however the answers scatter', (weights, share) => {
    const world = calmWorld(20, 'json', { weights, spread: 0.8 })
    let least = 1
    let most = 0
    for (let second = 0; second < 120; second++) {
      world.run(1_000)
      least = Math.min(least, world.share('a'))
      most = Math.max(most, world.share('a'))
    }
    expect(least).toBeGreaterThan(share - 0.1)
    expect(most).toBeLessThan(share + 0.1)
    expect(world.share('a')).toBeCloseTo(share, 1)
  })

  test('costs a handful of probes', () => {
    const world = calmWorld(20, 'sse')
    world.run(1_080_000)
    expect(world.probes).toBeLessThanOrEqual(8)
  })
})

describe('the prober', () => {
  test('goes on where it was when it is started again in the middle of trouble', () => {
    const world = calmWorld(20, 'sse')
    world.weather.a.slow = 10
    world.run(30_000)
    world.stopProber()
    world.run(5_000)
    world.startProber()
    for (let second = 0; second < 30; second++) {
      world.run(1_000)
      expect(world.share('a')).toBeLessThan(0.15)
    }
    expect(world.reason('a')).toMatch(/times its usual/)
    world.weather.a.slow = 1
    expect(world.secondsUntil(back(world), 60)).toBeLessThan(60)
  })

  test('loses its say when it is gone: half of it in 14 s, and all in a minute and a half', () => {
    const world = calmWorld(20, 'sse')
    world.weather.a.failing = 1
    world.run(20_000)
    world.stopProber()
    world.run(2_000)
    expect(world.share('a')).toBe(0)
    world.run(12_000)
    expect(world.share('a')).toBeGreaterThan(0.25)
    world.run(76_000)
    expect(world.share('a')).toBeCloseTo(0.5, 2)
  })
})
