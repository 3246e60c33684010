import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addTo,
  clamp,
  EMPTY_TALLY,
  faded,
  learn,
  learnUsual,
  NO_BASELINE,
  NO_EVIDENCE,
  shrunk,
  tallied,
} from './estimate.ts'

/** Every measurement there can be, and some there cannot. */
const anything = fc.oneof(
  fc.constantFrom(Number.NaN, Infinity, -Infinity),
  fc.double({ min: -1e9, max: 1e9 }),
)
const time = fc.double({ min: 0, max: 1e9, noNaN: true })

describe('an estimate', () => {
  test('is the plain mean of its first samples', () => {
    let estimate = NO_EVIDENCE
    for (const sample of [1, 0, 1, 0]) estimate = learn(estimate, sample, 1, 0)
    expect(estimate).toEqual({ value: 0.5, count: 4, at: 0 })
  })

  test('does not depend on whether samples come one by one or together', () => {
    let one = NO_EVIDENCE
    for (let sample = 0; sample < 300; sample++) one = learn(one, 1, 1, 0)
    for (let sample = 0; sample < 50; sample++) one = learn(one, 0, 1, 0)
    const together = learn(learn(NO_EVIDENCE, 1, 300, 0), 0, 50, 0)
    expect(together.value).toBeCloseTo(one.value, 10)
    expect(together.count).toBeCloseTo(one.count, 10)
  })

  test('turns within seconds where samples are many, and with eight samples where they are few', () => {
    let busy = learn(NO_EVIDENCE, 0, 1_000, 0)
    for (let second = 1; second <= 4; second++) busy = learn(busy, 1, 100, second * 1_000)
    expect(busy.value).toBeGreaterThan(0.95)
    let quiet = learn(NO_EVIDENCE, 0, 1_000, 0)
    for (let sample = 1; sample <= 8; sample++) quiet = learn(quiet, 1, 1, sample * 5_000)
    expect(quiet.value).toBeGreaterThan(0.6)
    expect(quiet.value).toBeLessThan(0.7)
  })

  test('keeps its value for 15 s without evidence and then lets go', () => {
    const estimate = learn(NO_EVIDENCE, 1, 10, 0)
    expect(faded(estimate, 15_000)).toBe(1)
    expect(faded(estimate, 30_000)).toBeCloseTo(Math.exp(-1))
    expect(faded(estimate, 120_000)).toBeLessThan(0.001)
  })

  test('stays between what it was and what it sees, whatever that is', () => {
    const sample = fc.tuple(anything, anything, time)
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 30 }), (samples) => {
        let estimate = NO_EVIDENCE
        for (const [mean, count, now] of samples) {
          const next = learn(estimate, mean, count, now)
          const seen = Number.isFinite(mean) ? [estimate.value, 0, mean] : [estimate.value, 0]
          expect(next.value).toBeGreaterThanOrEqual(Math.min(...seen) - 1e-3)
          expect(next.value).toBeLessThanOrEqual(Math.max(...seen) + 1e-3)
          expect(next.count).toBeGreaterThanOrEqual(0)
          expect(next.count).toBeLessThanOrEqual(100)
          expect(shrunk(next, 2, now)).not.toBeNaN()
          estimate = next
        }
      }),
    )
  })
})

describe('a tally', () => {
  test('fades with its time constant and never below zero', () => {
    const tally = addTo(addTo(EMPTY_TALLY, 10, 0, 1_000), 10, 1_000, 1_000)
    expect(tallied(tally, 1_000, 1_000)).toBeCloseTo(10 + 10 / Math.E)
    expect(tallied(tally, 100_000, 1_000)).toBeCloseTo(0)
    // A clock that stands still or a late report must not make it grow.
    expect(tallied(tally, 0, 1_000)).toBeCloseTo(10 + 10 / Math.E)
  })
})

describe('a baseline', () => {
  const usualOf = (ms: number, count = 100) => learnUsual(NO_BASELINE, [[Math.log(ms), count]], true, 20, 0)

  test('is the middle of what was seen, not its mean', () => {
    const baseline = learnUsual(
      NO_BASELINE,
      [
        [Math.log(100), 10],
        [Math.log(400), 10],
      ],
      true,
      20,
      0,
    )
    expect(Math.exp(baseline.logMs)).toBeCloseTo(200)
  })

  test('moves by no more than a factor of two a sample', () => {
    const baseline = learnUsual(usualOf(100, 20), [[Math.log(100_000), 20]], true, 20, 0)
    expect(Math.exp(baseline.logMs)).toBeLessThan(150)
  })

  test('holds on through ten minutes of trouble, and gives in when trouble is the new normal', () => {
    let baseline = usualOf(100, 6_000)
    const minute = (at: number) => learnUsual(baseline, [[Math.log(1_000), 60]], false, 20, at * 60_000)
    for (let at = 1; at <= 10; at++) baseline = minute(at)
    expect(Math.exp(baseline.logMs)).toBeLessThan(110)
    for (let at = 11; at <= 240; at++) baseline = minute(at)
    expect(Math.exp(baseline.logMs)).toBeGreaterThan(600)
  })

  test('is not forgotten because nobody called for a day', () => {
    const baseline = learnUsual(usualOf(100), [[Math.log(100), 1]], true, 20, 86_400_000)
    expect(baseline.weight).toBeGreaterThan(20)
  })

  test('is a number, whatever it is fed', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anything, anything)), fc.boolean(), time, (samples, isWell, now) => {
        const baseline = learnUsual(usualOf(100), samples, isWell, 20, now)
        expect(baseline.logMs).not.toBeNaN()
        expect(baseline.weight).toBeGreaterThan(0)
      }),
    )
  })
})

test('clamp answers its lower bound for what is not a number', () => {
  expect(clamp(Number.NaN, 1, 2)).toBe(1)
  expect(clamp(3, 1, 2)).toBe(2)
  expect(clamp(1.5, 1, 2)).toBe(1.5)
})
