import { describe, expect, test } from 'vitest'
import { PLAIN_TERMS, termsOf, type KeyTerms } from '#contracts/catalog/client-key.ts'
import { clientKeyStream } from '#contracts/ids.ts'
import {
  accepted,
  after,
  issueKey,
  KEY,
  next,
  OTHER_DIGEST,
  DIGEST,
  outcome,
} from '#test/control-plane/given.ts'
import type { KeyCommand } from './command.ts'
import { decide } from './decide.ts'

const stream = clientKeyStream(KEY)
const at = (expectedVersion: number) => ({ id: KEY, expectedVersion })
const rotate = {
  type: 'RotateKey',
  ...at(1),
  digest: OTHER_DIGEST,
  prefix: 'sk-ap-99',
  overlapUntil: 5_000,
} as const
const active = after(issueKey)
const suspended = after(issueKey, { type: 'SuspendKey', ...at(1) })
const revoked = after(issueKey, { type: 'RevokeKey', ...at(1) })
const changes: readonly KeyCommand[] = [
  rotate,
  { type: 'SetKeyExpiry', ...at(1), expiresAt: 9_000 },
  { type: 'SetKeyTerms', ...at(1), terms: { owner: 'search' } },
  { type: 'SuspendKey', ...at(1) },
  { type: 'ResumeKey', ...at(1) },
  { type: 'RevokeKey', ...at(1) },
]

describe('issuing a key', () => {
  test('writes its digest, never the key', () => {
    expect(outcome(decide(after(), issueKey))).toEqual([
      {
        type: 'ClientKeyIssued',
        stream,
        body: { origin: 'api', name: 'team', digest: DIGEST, prefix: 'sk-ap-12', expiresAt: null },
      },
    ])
  })

  test('writes only those of its terms that are not the usual ones', () => {
    const terms = {
      scopes: { models: ['fast'], endpoints: ['chat' as const] },
      limits: { requestsPerMinute: 60 },
      owner: 'search',
      tags: ['prod'],
      keepContext: false,
      contentLog: { ttlSeconds: 3_600 },
    }
    const given = { ...issueKey, terms } as Extract<KeyCommand, { type: 'IssueKey' }>
    const events = accepted(decide(after(), given))
    expect(events.map(({ type }) => type)).toEqual([
      'ClientKeyIssued',
      'ClientKeyScopesSet',
      'ClientKeyLimitsSet',
      'ClientKeyOwnerSet',
      'ClientKeyContextSet',
      'ClientKeyContentLogSet',
    ])
    expect(termsOf(next(after(), events).keys.get(KEY)!)).toEqual(terms)
  })

  test.each([
    [active, 1],
    [revoked, 2],
  ])('is refused under an id that was ever used (%#)', (catalog, version) => {
    expect(outcome(decide(catalog, issueKey))).toEqual({ kind: 'exists', what: 'key key_1', version })
  })
})

describe('a change of a key', () => {
  test.each(changes)('$type is refused when there is none', (command) => {
    expect(outcome(decide(after(), command))).toEqual({ kind: 'not_found', what: 'key key_1' })
  })

  test.each(changes)('$type is refused when it was decided on another version', (command) => {
    expect(outcome(decide(active, { ...command, ...at(2) }))).toEqual({
      kind: 'conflict',
      what: 'key key_1',
      expected: 2,
      current: 1,
    })
  })

  test.each(changes.filter(({ type }) => type !== 'RevokeKey'))(
    '$type is refused once it is revoked, which is final',
    (command) => {
      expect(outcome(decide(revoked, { ...command, ...at(2) }))).toMatchObject({
        kind: 'invalid',
        issues: [{ path: 'id' }],
      })
    },
  )
})

describe('a key', () => {
  test('keeps its old digest until the overlap ends when it is rotated', () => {
    expect(after(issueKey, rotate).keys.get(KEY)).toMatchObject({
      digest: OTHER_DIGEST,
      previous: { digest: DIGEST, overlapUntil: 5_000 },
    })
  })

  test.each([
    [active, 1, 'SuspendKey', 'ClientKeySuspended'],
    [active, 1, 'ResumeKey', null],
    [active, 1, 'RevokeKey', 'ClientKeyRevoked'],
    [suspended, 2, 'SuspendKey', null],
    [suspended, 2, 'ResumeKey', 'ClientKeyResumed'],
    [suspended, 2, 'RevokeKey', 'ClientKeyRevoked'],
    [revoked, 2, 'RevokeKey', null],
  ] as const)(
    'goes from state to state, and stays where it is wished to be (%#)',
    (catalog, version, type, event) => {
      expect(outcome(decide(catalog, { type, ...at(version) }))).toEqual(
        event === null ? [] : [{ type: event, stream, body: {} }],
      )
    },
  )

  test('gets an expiry, another, and none; the one it has is written once', () => {
    const set = (expiresAt: number | null, expectedVersion: number) =>
      ({ type: 'SetKeyExpiry', ...at(expectedVersion), expiresAt }) as const
    const limited = after(issueKey, set(9_000, 1))
    expect(outcome(decide(limited, set(9_000, 2)))).toEqual([])
    expect(outcome(decide(limited, set(null, 2)))).toEqual([
      { type: 'ClientKeyExpirySet', stream, body: { expiresAt: null } },
    ])
    expect(outcome(decide(active, set(null, 1)))).toEqual([])
  })

  test('gets each of its terms alone, and the one it has is written once', () => {
    const set = (terms: Partial<KeyTerms>, expectedVersion: number) =>
      ({ type: 'SetKeyTerms', ...at(expectedVersion), terms }) as const
    const limited = after(issueKey, set({ limits: { concurrency: 3 } }, 1))
    expect(outcome(decide(limited, set({ limits: { concurrency: 3 } }, 2)))).toEqual([])
    expect(outcome(decide(limited, set({ tags: ['prod'] }, 2)))).toEqual([
      { type: 'ClientKeyOwnerSet', stream, body: { owner: null, tags: ['prod'] } },
    ])
    const freed = after(issueKey, set({ limits: { concurrency: 3 } }, 1), set({ limits: {} }, 2))
    expect(termsOf(freed.keys.get(KEY)!)).toEqual(PLAIN_TERMS)
  })
})
