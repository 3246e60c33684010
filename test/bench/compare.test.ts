import { describe, expect, test } from 'vitest'
import { cpuUs, median, p50, PhaseWindows } from './compare.ts'
import { GOALS, judge, judgeAll, type Verdict } from './goals.ts'
import type { Window } from './rounds.ts'
import type { SubjectName } from './subjects/subject.ts'

const none = { p50: 0, p90: 0, p99: 0, max: 0 }

function window(subject: SubjectName, round: number, cpu: number | null, p50Ms = 0): Window {
  const load = { seconds: 1, answers: 100, failures: 0, chunks: 0, incomplete: 0, bodyBytes: 0 }
  const more = {
    userUs: 0,
    kernelUs: 0,
    instructions: null,
    cores: 1,
    rssBytes: round * 3_000,
    idleRssBytes: 1_000,
  }
  return {
    phase: 'sat',
    subject,
    round,
    unitsPerSecond: 100,
    foreignCores: 0,
    load: { ...load, latencyMs: { ...none, p50: p50Ms }, firstByteMs: none, chunkDelayMs: none },
    cost: cpu === null ? null : { ...more, cpuUs: cpu },
  }
}

describe('figures of a phase', () => {
  test('are paired by round, so that a slow machine slows both sides', () => {
    const gateway = [12, 24, 48]
    const bare = [10, 20, 40]
    const windows = new PhaseWindows([
      ...gateway.map((cpu, round) => window('gateway', round, cpu)),
      // Another order: the round counts, not the place.
      ...bare.map((cpu, round) => window('bare', round, cpu)).toReversed(),
    ])
    expect(windows.ratio('gateway', 'bare', cpuUs)).toBeCloseTo(1.2)
    expect(windows.figures('gateway')).toMatchObject({ cpuUs: 24, rounds: 3, spread: 1.5 })
  })

  test('leave out a round that one side does not have', () => {
    const windows = new PhaseWindows([
      window('gateway', 1, 12),
      window('gateway', 2, 100),
      window('bare', 1, 10),
    ])
    expect(windows.ratio('gateway', 'bare', cpuUs)).toBeCloseTo(1.2)
    expect(windows.ratio('gateway', 'nginx', cpuUs)).toBeNull()
  })

  test('tell added latency as a difference, also against what has no CPU time', () => {
    const windows = new PhaseWindows([window('gateway', 1, 12, 0.8), window('direct', 1, null, 0.5)])
    expect(windows.difference('gateway', 'direct', p50)).toBeCloseTo(0.3)
    expect(windows.ratio('gateway', 'direct', cpuUs)).toBeNull()
  })

  test('tell the memory of a connection by the worst round', () => {
    const windows = new PhaseWindows([window('gateway', 1, 1), window('gateway', 2, 1)])
    expect(windows.bytesPerConnection('gateway', 10)).toBe(500)
  })
})

describe('the median', () => {
  test.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
    [[null, 5, Number.NaN, Infinity], 5],
    [[null], null],
  ])('of %j is %j', (values, expected) => expect(median(values)).toBe(expected))
})

describe('a goal', () => {
  test('is met at its limit and missed above it', () => {
    expect([judge(1.25, 1.25), judge(1.251, 1.25), judge(null, 1), judge(1, null)]).toEqual([
      'ok',
      'MISS',
      '-',
      '-',
    ])
  })

  test('of a latency is not judged while other programs use the machine', () => {
    const rate = (subject: SubjectName, p50Ms: number, foreignCores: number): Window => ({
      ...window(subject, 1, 10, p50Ms),
      foreignCores,
    })
    const verdicts = (foreignCores: number): readonly Verdict[] =>
      judgeAll(
        new Map([
          ['rate', new PhaseWindows([rate('gateway', 3, foreignCores), rate('bare', 1, foreignCores)])],
        ]),
      ).map(({ verdicts: { spine } }) => spine)
    expect(verdicts(0.1)).toEqual(['MISS', 'ok'])
    expect(verdicts(1.5)).toEqual(['busy', 'busy'])
  })

  test('is never easier than the spine', () => {
    for (const { spine, goal } of GOALS) if (spine !== null && goal !== null) expect(goal).toBeLessThan(spine)
  })
})
