/**
 * What every session store must do. Run on the one in memory and on Redis by `session-store.test.ts`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyId } from '#contracts/ids.ts'
import type { SessionScope, SessionStore } from '#data-plane/sessions/store.ts'
import { eventually } from '../eventually.ts'

export type StoreHost = AsyncDisposable & Readonly<{ store: SessionStore }>

let count = 0

/** One that no other test uses. */
export const aScope = (over: Partial<SessionScope> = {}): SessionScope => {
  count += 1
  return { key: keyId('key_1'), model: 'fast', session: `session-${count}`, ...over }
}

/** Binding happens in the background. */
export const isBound = (store: SessionStore, scope: SessionScope, deployment: string | null): Promise<void> =>
  eventually(async () => (await store.find(scope)) === deployment)

export function sessionStoreContract(name: string, start: () => Promise<StoreHost>): void {
  describe(`the session store, ${name}`, () => {
    let host: StoreHost
    let store: SessionStore
    /** A store may have needed some time to begin with. */
    let failuresAtFirst: number

    beforeAll(async () => {
      host = await start()
      store = host.store
      failuresAtFirst = store.failures
    })
    afterAll(() => host[Symbol.asyncDispose]())

    test('knows nothing of a session that was never bound', async () => {
      expect(await store.find(aScope())).toBeNull()
    })

    test('finds what was bound', async () => {
      const scope = aScope()
      store.bind(scope, 'a/m')
      await isBound(store, scope, 'a/m')
      expect(await store.find(scope)).toBe('a/m')
    })

    test('finds what was bound last', async () => {
      const scope = aScope()
      for (let time = 0; time < 50; time++) store.bind(scope, `a/${time}`)
      await isBound(store, scope, 'a/49')
    })

    test('keeps sessions of other clients and other models apart', async () => {
      const scope = aScope()
      const others = [
        { ...scope, key: keyId('key_2') },
        { ...scope, model: 'slow' },
        { ...scope, session: `${scope.session}0` },
      ]
      store.bind(scope, 'a/m')
      await isBound(store, scope, 'a/m')
      for (const other of others) expect(await store.find(other)).toBeNull()
      for (const [at, other] of others.entries()) store.bind(other, `b/${at}`)
      for (const [at, other] of others.entries()) await isBound(store, other, `b/${at}`)
      expect(await store.find(scope)).toBe('a/m')
    })

    test('does not mix up where the model ends and the session begins', async () => {
      const [one, other] = [aScope({ model: 'a/b', session: 'c' }), aScope({ model: 'a', session: 'b/c' })]
      store.bind(one, 'x/m')
      await isBound(store, one, 'x/m')
      expect(await store.find(other)).toBeNull()
    })

    test('takes any id that a header can carry', async () => {
      const ids = [
        'é',
        '%00',
        ' ',
        '__proto__',
        '*',
        '{tag}',
        'a b',
        '\u0080\u00ff',
        'x'.repeat(256),
        '../..',
        'a:b:c',
      ]
      for (const [at, session] of ids.entries()) store.bind(aScope({ model: 'odd', session }), `p/${at}`)
      for (const [at, session] of ids.entries())
        await isBound(store, aScope({ model: 'odd', session }), `p/${at}`)
    })

    test('answers many at once, each its own', async () => {
      const scopes = Array.from({ length: 200 }, () => aScope())
      for (const [at, scope] of scopes.entries()) store.bind(scope, `p/${at}`)
      await isBound(store, scopes.at(-1)!, 'p/199')
      expect(await Promise.all(scopes.map((scope) => store.find(scope)))).toEqual(
        scopes.map((_scope, at) => `p/${at}`),
      )
    })

    test('has failed at none of it', () => {
      expect(store.failures).toBe(failuresAtFirst)
    })
  })
}
