import { describe, expect, test } from 'vitest'
import { credentialId, keyId } from '#contracts/ids.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { pick, type Pick } from '#contracts/routing/pick.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import { SOUND, type Standing } from '#contracts/routing/standing.ts'
import type { Candidate } from '#data-plane/routing/snapshot.ts'
import { MemorySessionStore } from '#data-plane/sessions/store-memory.ts'
import type { SessionScope } from '#data-plane/sessions/store.ts'
import { candidate } from '#test/fakes/deployment.ts'
import {
  findSession,
  preferenceOf,
  requiredSession,
  sessionId,
  sessionName,
  settleSession,
  type Session,
} from './session.ts'
import { ListedHeaders } from '../http/request-headers.ts'

const scope: SessionScope = { key: keyId('key_1'), model: 'fast', session: 's-1' }
const [a, b] = [candidate('a'), candidate('b')]
const KEY = credentialId('k1')

/** The request's first choice, with standings by provider. */
function choice(
  session: Session,
  candidates: readonly Candidate[],
  standings: Readonly<Record<string, Partial<Standing>>> = {},
): Pick {
  return pick(candidates, {
    standing: ({ deployment: { provider } }) => ({ ...SOUND, ...standings[provider] }),
    futility: () => 0,
    dice: diceOf(1),
    session: preferenceOf(session),
    taste: STRATEGIES.balanced,
    region: null,
  })
}

const by = (deployment: string, attempt = 1, credential = KEY) => ({ deployment, credential, attempt })

describe('a session id', () => {
  test.each([
    [{ 'x-session-id': 's-1' }, 's-1'],
    [{ 'x-session-id': 'x'.repeat(256) }, 'x'.repeat(256)],
    [{ 'x-session-id': 'x'.repeat(257) }, null],
    [{ 'x-session-id': '' }, null],
    [{}, null],
    [{ 'x-claude-code-session-id': 'claude' }, 'claude'],
    [{ 'session-id': 'codex' }, 'codex'],
    [{ session_id: 'older codex' }, 'older codex'],
    [{ 'x-session-affinity': 'affine' }, 'affine'],
    [{ 'x-session-affinity': 'affine', 'session-id': 'codex', 'x-session-id': 'ours' }, 'ours'],
    [{ 'x-session-id': '', 'session-id': 'codex' }, 'codex'],
    [{ 'session-id': 'codex', 'x-claude-code-session-id': 'claude' }, 'claude'],
    [{ session_id: 'older codex', 'session-id': 'codex' }, 'codex'],
    [{ 'x-session-affinity': 'affine', session_id: 'older codex' }, 'older codex'],
  ])('in the headers %j is %j', (headers, id) => {
    expect(sessionId(new ListedHeaders(Object.entries(headers).flat()))).toBe(id)
  })
})

describe('a session', () => {
  test('that is new is bound to who answered, and known from then on', async () => {
    await using store = new MemorySessionStore()
    const session = await findSession(store, scope)
    const name = sessionName(scope.key, scope.session)
    expect(session).toEqual({ scope, name, binding: null, isRequired: false })
    const first = choice(session, [a, b])
    const preferred = first.kind === 'chosen' ? first.chosen.candidate.deployment.id : ''
    expect(settleSession(store, session, first, by(preferred))).toBe('bound')
    expect((await findSession(store, scope)).binding).toEqual({
      deployment: preferred,
      credential: KEY,
      home: null,
    })
  })

  test('that was bound elsewhere than where it belongs knows where that is', async () => {
    await using store = new MemorySessionStore()
    const session = await findSession(store, scope)
    const first = choice(session, [a, b])
    const [home, other] =
      first.kind === 'chosen' && first.preferred === 'a/m' ? ['a/m', 'b/m'] : ['b/m', 'a/m']
    settleSession(store, session, first, by(other, 2))
    expect((await findSession(store, scope)).binding).toMatchObject({ deployment: other, home })
  })

  test('is kept where it was, and with the credential it had', async () => {
    await using store = new MemorySessionStore()
    store.bind(scope, 'a/m')
    const session = await findSession(store, scope)
    const first = choice(session, [a, b])
    expect(settleSession(store, session, first, by('a/m'))).toBe('kept')
    const known = await findSession(store, scope)
    expect(settleSession(store, known, first, by('a/m', 1, credentialId('k2')))).toBe('moved:key')
  })

  test.each<[string, readonly Candidate[], Readonly<Record<string, Partial<Standing>>>, number]>([
    ['moved:gone', [b], {}, 1],
    ['moved:draining', [{ ...a, weight: 0 }, b], {}, 1],
    ['moved:failed', [a, b], {}, 2],
    ['moved:ejected', [a, b], { a: { out: 'open' } }, 1],
    ['moved:down', [a, b], { a: { out: 'down' } }, 1],
    ['moved:throttled', [a, b], { a: { out: 'throttled' } }, 1],
    ['moved:full', [a, b], { a: { out: 'full' } }, 1],
    ['moved:unwell', [a, b], { a: { fleet: 0.01 } }, 1],
    ['moved:paced', [a, b], { a: { allowed: 0, rate: 5 }, b: { rate: 5 } }, 1],
    ['moved:spilled', [a, { ...b, tier: 1 }], { a: { fleet: 0.31 } }, 1],
  ])('that another deployment answered is %s, and follows it', async (told, now, standings, attempt) => {
    await using store = new MemorySessionStore()
    // Of all sessions one that spills with the tier.
    const spilling = { ...scope, session: 's-3' }
    store.bind(spilling, 'a/m')
    const session = await findSession(store, spilling)
    const first = choice(session, now, standings)
    expect(settleSession(store, session, first, by('b/m', attempt))).toBe(told)
    const isAway = told !== 'moved:gone' && told !== 'moved:draining'
    expect((await findSession(store, spilling)).binding).toEqual({
      deployment: 'b/m',
      credential: KEY,
      home: isAway ? 'a/m' : null,
    })
  })

  test('goes home when home is well, says so, and belongs there again', async () => {
    await using store = new MemorySessionStore()
    store.bind(scope, 'b/m\nk1\na/m')
    const session = await findSession(store, scope)
    const first = choice(session, [a, b])
    expect(first).toMatchObject({ kind: 'chosen', chosen: { candidate: a } })
    expect(settleSession(store, session, first, by('a/m'))).toBe('moved:returned')
    expect((await findSession(store, scope)).binding).toMatchObject({ deployment: 'a/m', home: null })
  })

  test('that is required prefers one place only', () => {
    expect(preferenceOf(requiredSession(scope, 'a/m', KEY))).toEqual({
      session: 's-1',
      bound: 'a/m',
      home: null,
      isRequired: true,
    })
  })
})
