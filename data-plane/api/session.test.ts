import { describe, expect, test } from 'vitest'
import { keyId } from '#contracts/ids.ts'
import type { Candidate, Route } from '#data-plane/routing/snapshot.ts'
import { STRATEGIES } from '#data-plane/routing/strategies.ts'
import { rendezvous } from '#data-plane/routing/stick.ts'
import { MemorySessionStore } from '#data-plane/sessions/store-memory.ts'
import type { SessionScope } from '#data-plane/sessions/store.ts'
import { candidate } from '#test/fakes/deployment.ts'
import { findSession, sessionId, settleSession } from './session.ts'

const scope: SessionScope = { key: keyId('key_1'), model: 'fast', session: 's-1' }
const [a, b] = [candidate('a'), candidate('b')]
const route = (...candidates: readonly Candidate[]): Route => ({
  model: 'fast',
  logical: true,
  strategy: STRATEGIES.balanced,
  region: null,
  candidates,
})

describe('a session id', () => {
  test.each([
    ['s-1', 's-1'],
    ['x'.repeat(256), 'x'.repeat(256)],
    ['x'.repeat(257), null],
    ['', null],
    [undefined, null],
    [['a', 'b'], null],
  ])('in the header %j is %j', (header, id) => {
    expect(sessionId(header)).toBe(id)
  })
})

describe('a session', () => {
  test('that is new prefers what hashing says, and is bound to who answered', async () => {
    await using store = new MemorySessionStore()
    const session = await findSession(store, scope, route(a, b))
    expect(session).toEqual({ scope, bound: null, preferred: rendezvous([a, b], 's-1') })
    expect(settleSession(store, session, route(a, b), 'b/m', 1)).toBe('bound')
    expect((await findSession(store, scope, route(a, b))).preferred).toBe('b/m')
  })

  test('that is known prefers who served it last, and is kept there', async () => {
    await using store = new MemorySessionStore()
    store.bind(scope, 'a/m')
    const session = await findSession(store, scope, route(a, b))
    expect(session).toMatchObject({ bound: 'a/m', preferred: 'a/m' })
    expect(settleSession(store, session, route(a, b), 'a/m', 1)).toBe('kept')
  })

  test.each([
    ['moved:gone', route(b), 1],
    ['moved:draining', route({ ...a, weight: 0 }, b), 1],
    ['moved:failed', route(a, b), 2],
    ['moved:ejected', route(a, b), 1],
  ])('that another deployment answered is %s, and follows it', async (told, now, attempt) => {
    await using store = new MemorySessionStore()
    store.bind(scope, 'a/m')
    const session = await findSession(store, scope, now)
    expect(settleSession(store, session, now, 'b/m', attempt)).toBe(told)
    expect(await store.find(scope)).toBe('b/m')
  })
})
