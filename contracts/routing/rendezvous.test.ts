import { describe, expect, test } from 'vitest'
import { candidate } from '#test/fakes/deployment.ts'
import { rendezvous as choose } from './rendezvous.ts'

type Candidate = ReturnType<typeof candidate>

const rendezvous = (candidates: readonly Candidate[], session: string): string | null =>
  choose(
    candidates,
    ({ deployment }) => deployment.id,
    ({ weight }) => weight,
    session,
  )?.deployment.id ?? null

const SESSIONS = Array.from({ length: 20_000 }, (_session, at) => `session-${at}`)

function shares(candidates: readonly Candidate[]): ReadonlyMap<string | null, number> {
  const counts = new Map<string | null, number>()
  for (const session of SESSIONS) {
    const id = rendezvous(candidates, session)
    counts.set(id, (counts.get(id) ?? 0) + 1 / SESSIONS.length)
  }
  return counts
}

const within = (share: number): number => 4 * Math.sqrt((share * (1 - share)) / SESSIONS.length)

describe('the deployment of a session that nobody remembers', () => {
  test.each([[{ a: 1, b: 1, c: 1 }], [{ a: 1, b: 2, c: 5 }], [{ a: 10, b: 0.1 }]])(
    'is chosen in proportion to the weights %j',
    (weights) => {
      const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)
      const seen = shares(Object.entries(weights).map(([name, weight]) => candidate(name, { weight })))
      for (const [name, weight] of Object.entries(weights)) {
        const share = weight / total
        expect([name, Math.abs((seen.get(`${name}/m`) ?? 0) - share) < within(share)]).toEqual([name, true])
      }
    },
  )

  test('is the same on every node, whatever the order of its candidates', () => {
    const candidates = ['a', 'b', 'c', 'd'].map((name) => candidate(name))
    for (const session of SESSIONS.slice(0, 500)) {
      expect(rendezvous(candidates.toReversed(), session)).toBe(rendezvous(candidates, session))
    }
    // Pinned: nodes of different releases have to agree.
    expect(SESSIONS.slice(0, 8).map((session) => rendezvous(candidates, session))).toEqual([
      'a/m',
      'b/m',
      'c/m',
      'b/m',
      'a/m',
      'b/m',
      'a/m',
      'c/m',
    ])
  })

  test('changes only for the sessions of a candidate that leaves', () => {
    const candidates = ['a', 'b', 'c', 'd'].map((name, at) => candidate(name, { weight: at + 1 }))
    const left = candidates.filter(({ deployment }) => deployment.provider !== 'c')
    const drained = candidates.map((one) => (one.deployment.provider === 'c' ? { ...one, weight: 0 } : one))
    for (const session of SESSIONS.slice(0, 5_000)) {
      const before = rendezvous(candidates, session)
      const after = rendezvous(left, session)
      if (before !== 'c/m') expect(after).toBe(before)
      expect(rendezvous(drained, session)).toBe(after)
    }
  })

  test('changes only to a candidate that comes, and for its share of them', () => {
    const before = ['a', 'b', 'c'].map((name) => candidate(name))
    const after = [...before, candidate('d')]
    let moved = 0
    for (const session of SESSIONS) {
      const [old, now] = [rendezvous(before, session), rendezvous(after, session)]
      if (old === now) continue
      moved += 1
      expect(now).toBe('d/m')
    }
    expect(Math.abs(moved / SESSIONS.length - 0.25)).toBeLessThan(within(0.25))
  })

  test('is nobody when nobody takes traffic', () => {
    expect(rendezvous([], 's')).toBeNull()
    expect(rendezvous([candidate('a', { weight: 0 })], 's')).toBeNull()
  })
})
