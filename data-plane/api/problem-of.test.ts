import { describe, expect, test } from 'vitest'
import { failure, type Failure } from '#data-plane/upstream/classify.ts'
import { problemOf } from './problem-of.ts'

const failed = (outcome: Failure['outcome'], over: Partial<Failure> = {}): Failure => ({
  ...failure(outcome),
  ...over,
})
const codeOf = (...outcomes: readonly Failure['outcome'][]): string =>
  problemOf(outcomes.map((outcome) => failed(outcome))).code

describe('what a client is told when all have failed', () => {
  test.each<[Failure['outcome'], string]>([
    ['throttled', 'rate_limit_exceeded'],
    ['overloaded', 'upstream_overloaded'],
    ['fault', 'upstream_error'],
    ['cut', 'upstream_error'],
    ['timeout', 'upstream_timeout'],
    ['missing', 'model_not_found'],
    ['invalid', 'invalid_value'],
    ['unauthorised', 'upstream_refused'],
    ['exhausted', 'upstream_refused'],
  ])('after nothing but %s is %s', (outcome, code) => {
    expect(codeOf(outcome)).toBe(code)
    expect(codeOf(outcome, outcome)).toBe(code)
  })

  test.each<[readonly Failure['outcome'][], string]>([
    [['throttled', 'fault', 'overloaded'], 'rate_limit_exceeded'],
    [['fault', 'overloaded', 'timeout'], 'upstream_overloaded'],
    [['unauthorised', 'fault', 'missing'], 'upstream_error'],
    [['missing', 'timeout', 'exhausted'], 'upstream_timeout'],
    [['unauthorised', 'missing'], 'model_not_found'],
    [['invalid', 'unauthorised'], 'invalid_value'],
  ])('after %j is what tells most about when to come back: %s', (outcomes, code) => {
    expect(codeOf(...outcomes)).toBe(code)
    expect(codeOf(...outcomes.toReversed())).toBe(code)
  })

  test('names the shortest wait that any of them asked for, or five seconds', () => {
    const [soon, late] = [
      failed('throttled', { retryAfterMs: 700 }),
      failed('throttled', { retryAfterMs: 60_000 }),
    ]
    expect(problemOf([late, soon]).retryAfterMs).toBe(700)
    expect(problemOf([failed('throttled')]).retryAfterMs).toBe(5_000)
    expect(problemOf([failed('overloaded', { retryAfterMs: 0 })]).retryAfterMs).toBe(0)
    expect(problemOf([failed('fault')])).not.toHaveProperty('retryAfterMs')
  })

  test('is in the words of the last one of that kind, if it had any', () => {
    const said = (message: string | null) => failed('fault', { message })
    expect(problemOf([said('first'), said('last')]).message).toBe('last')
    expect(problemOf([said('first'), said(null)])).not.toHaveProperty('message')
    expect(problemOf([said('fault'), failed('overloaded', { message: 'full' })]).message).toBe('full')
  })

  test('when nobody could be asked is that, and to come back', () => {
    expect(problemOf([])).toEqual({ code: 'no_candidates', retryAfterMs: 5_000 })
  })
})
