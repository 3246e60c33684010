import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clientKeyDigest } from '#contracts/security/master-key.ts'
import { keyId } from '#contracts/ids.ts'
import { modelList } from '#data-plane/routing/model-list.ts'
import type { Principal, RoutingSnapshot } from '#data-plane/routing/snapshot.ts'
import { EMPTY_CATALOG } from '#contracts/catalog/catalog.ts'
import { ListedHeaders } from '../http/request-headers.ts'
import { Authenticator, readCredential } from './principal.ts'

const read = (...rawHeaders: readonly string[]) => {
  const result = readCredential({ url: '/', headers: new ListedHeaders(rawHeaders) })
  return result.ok ? result.value : result.error.code
}

describe('the credential of a request', () => {
  test.each([
    [['Authorization', 'Bearer sk-1'], 'sk-1'],
    [['authorization', 'bearer sk-1'], 'sk-1'],
    [['AUTHORIZATION', 'BEARER  sk-1 '], 'sk-1'],
    [['x-api-key', 'sk-2'], 'sk-2'],
    [['X-Api-Key', 'sk-2'], 'sk-2'],
    [['api-key', 'sk-3'], 'sk-3'],
    // Of two kinds the key header counts.
    [['Authorization', 'Bearer sk-1', 'x-api-key', 'sk-2'], 'sk-2'],
    [['x-api-key', 'sk-2', 'Authorization', 'Basic abc'], 'sk-2'],
    [['x-api-key', '', 'Authorization', 'Bearer sk-1'], 'sk-1'],
    [['Host', 'a', 'Content-Type', 'x', 'Authorization', 'Bearer sk-1', 'Accept', '*/*'], 'sk-1'],
    [['Authorization', 'Bearer a b'], 'a b'],
  ])('in %j is %j', (headers, token) => {
    expect(read(...headers)).toBe(token)
  })

  test.each([
    [[]],
    [['Host', 'a']],
    [['Authorization', '']],
    [['Authorization', 'Bearer']],
    [['Authorization', 'Bearer ']],
    [['Authorization', 'Bearer\tsk-1']],
    [['Authorization', 'Basic c2stMQ==']],
    [['Authorization', 'sk-1']],
    [['x-api-key', '']],
    [['x-goog-key', 'sk-1']],
    [['cookie', 'Authorization=Bearer sk-1']],
  ])('is missing in %j', (headers) => {
    expect(read(...headers)).toBe('missing_api_key')
  })

  test.each([
    [['Authorization', 'Bearer sk-1', 'authorization', 'Bearer sk-2'], 'ambiguous_credentials'],
    [['Authorization', 'Bearer sk-1', 'Authorization', 'Bearer sk-1'], 'ambiguous_credentials'],
    [['Authorization', '', 'Authorization', 'Bearer sk-1'], 'ambiguous_credentials'],
    [['x-api-key', 'sk-1', 'X-API-Key', 'sk-2'], 'ambiguous_credentials'],
    [['x-api-key', 'sk-1', 'api-key', 'sk-2'], 'ambiguous_credentials'],
    [['x-api-key', '', 'api-key', 'sk-2'], 'ambiguous_credentials'],
    [['Host', 'a', 'Authorization', 'Bearer sk-1', 'host', 'b'], 'malformed_request'],
  ])('that two readers could read differently is refused: %j', (headers, code) => {
    expect(read(...headers)).toBe(code)
  })
})

const PEPPER = 'pepper'
const NOW = 1_000
const FREE = { scope: null, limits: null, budgets: null, keepContext: true, contentLog: null } as const

function snapshot(keys: Readonly<Record<string, Partial<Principal>>>): RoutingSnapshot {
  const principals = Object.entries(keys).map(([token, over]): [string, Principal] => [
    clientKeyDigest(PEPPER, token),
    { keyId: keyId(`key_${token}`), state: 'active', expiresAt: Infinity, ...FREE, ...over },
  ])
  const rest = { commit: 1, epoch: 1, digest: '', routes: new Map(), providers: new Map(), nacks: [] }
  return {
    ...rest,
    source: EMPTY_CATALOG,
    models: modelList(new Map(), new Map(), null),
    keys: new Map(principals),
  }
}

const ask = (authenticator: Authenticator, keys: RoutingSnapshot, token: string, now = NOW): string => {
  const result = authenticator.authenticate(keys, token, now)
  return result.ok ? result.value.keyId : result.error.code
}

describe('a token', () => {
  test.each<[Partial<Principal>, string]>([
    [{}, 'key_t'],
    [{ expiresAt: NOW + 1 }, 'key_t'],
    [{ expiresAt: NOW }, 'expired_api_key'],
    [{ expiresAt: NOW - 1 }, 'expired_api_key'],
    [{ state: 'suspended' }, 'suspended_api_key'],
    [{ state: 'revoked' }, 'revoked_api_key'],
    [{ state: 'revoked', expiresAt: 0 }, 'revoked_api_key'],
  ])('of a key that is %j: %s, the second time too', (over, answer) => {
    const authenticator = new Authenticator(PEPPER)
    const keys = snapshot({ t: over })
    expect([ask(authenticator, keys, 't'), ask(authenticator, keys, 't')]).toEqual([answer, answer])
  })

  test('that nobody was given is not known, however like a known one it is', () => {
    const authenticator = new Authenticator(PEPPER)
    const keys = snapshot({ 'sk-client': {} })
    ask(authenticator, keys, 'sk-client')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.constantFrom(
            'sk-clien',
            'sk-client ',
            'SK-CLIENT',
            'sk-client\u0000',
            'sk-client\n',
            '',
            '__proto__',
          ),
        ),
        (token) => {
          expect(ask(authenticator, keys, token)).toBe(
            token === 'sk-client' ? 'key_sk-client' : 'invalid_api_key',
          )
        },
      ),
    )
  })

  test('of another pepper is not known', () => {
    expect(ask(new Authenticator('salt'), snapshot({ t: {} }), 't')).toBe('invalid_api_key')
  })

  test('is remembered without the head of a request that it stood in', () => {
    setFlagsFromString('--expose-gc')
    const collect: unknown = runInNewContext('gc')
    const heapBytes = (): number => {
      if (typeof collect === 'function') Reflect.apply(collect, undefined, [])
      return process.memoryUsage().heapUsed
    }
    const count = 1_000
    const nameOf = (at: number): string => `sk-a-token-of-the-usual-length-${at}`
    const keys = snapshot(Object.fromEntries(Array.from({ length: count }, (_, at) => [nameOf(at), {}])))
    const authenticator = new Authenticator(PEPPER)
    const before = heapBytes()
    for (let at = 0; at < count; at++) {
      const name = nameOf(at)
      const head = Buffer.from(`${name}${'x'.repeat(16 * 1024)}`, 'latin1').toString('latin1')
      expect(ask(authenticator, keys, head.slice(0, name.length))).toBe(`key_${name}`)
    }
    expect(heapBytes() - before).toBeLessThan(8 * 1024 * 1024)
    expect(ask(authenticator, keys, nameOf(0))).toBe(`key_${nameOf(0)}`)
  })

  test('expires while it is remembered', () => {
    const authenticator = new Authenticator(PEPPER)
    const keys = snapshot({ t: { expiresAt: 5_000 } })
    expect([ask(authenticator, keys, 't', 4_999), ask(authenticator, keys, 't', 5_000)]).toEqual([
      'key_t',
      'expired_api_key',
    ])
  })

  test('is never remembered longer than the keys it was found in', () => {
    const authenticator = new Authenticator(PEPPER)
    expect(ask(authenticator, snapshot({ t: {} }), 't')).toBe('key_t')
    expect(ask(authenticator, snapshot({ t: { state: 'revoked' } }), 't')).toBe('revoked_api_key')
    expect(ask(authenticator, snapshot({}), 't')).toBe('invalid_api_key')
    expect(ask(authenticator, snapshot({ t: {} }), 't')).toBe('key_t')
  })

  test('is judged by the snapshot that its request began with', () => {
    const authenticator = new Authenticator(PEPPER)
    const [old, now] = [snapshot({ t: {} }), snapshot({ t: { state: 'suspended' } })]
    expect([
      ask(authenticator, old, 't'),
      ask(authenticator, now, 't'),
      ask(authenticator, old, 't'),
    ]).toEqual(['key_t', 'suspended_api_key', 'key_t'])
  })

  test('unknown to us is not remembered, and known ones only so many', () => {
    const authenticator = new Authenticator(PEPPER)
    const many = snapshot(Object.fromEntries(Array.from({ length: 10_050 }, (_key, at) => [`t${at}`, {}])))
    for (let at = 0; at < 10_050; at++) expect(ask(authenticator, many, `t${at}`)).toBe(`key_t${at}`)
    for (let at = 0; at < 10_050; at += 500) expect(ask(authenticator, many, `t${at}`)).toBe(`key_t${at}`)
  })
})
