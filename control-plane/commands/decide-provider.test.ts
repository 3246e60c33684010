import { describe, expect, test } from 'vitest'
import { providerStream } from '#contracts/ids.ts'
import {
  after,
  AZURE,
  createFast,
  credential,
  definition,
  OPENAI,
  outcome,
  registerAzure,
  registerOpenai,
} from '#test/control-plane/given.ts'
import type { ProviderCommand } from './command.ts'
import { decide } from './decide.ts'

const stream = providerStream(OPENAI)
const registered = after(registerOpenai)
/** Version of the provider that `registered` holds: it, and its one credential. */
const VERSION = 2
const mine = { id: OPENAI, expectedVersion: VERSION }
const state = (type: 'EnableProvider' | 'DisableProvider' | 'DrainProvider', by = 0) =>
  ({ type, id: OPENAI, expectedVersion: VERSION + by }) as const
const disabled = after(registerOpenai, state('DisableProvider'))
const draining = after(registerOpenai, state('DrainProvider'))

describe('registering a provider', () => {
  test('writes the whole definition and then each credential', () => {
    const command = {
      type: 'RegisterProvider',
      id: OPENAI,
      definition: definition(),
      credentials: [credential('one', { label: 'team a', weight: 3 }), credential('two')],
    } as const
    expect(outcome(decide(after(), command))).toEqual([
      { type: 'ProviderRegistered', stream, body: { origin: 'api', definition: definition() } },
      {
        type: 'CredentialAdded',
        stream,
        body: {
          credentialId: 'cred_one',
          secretId: 'sec_one',
          fingerprint: 'fp_one',
          weight: 3,
          label: 'team a',
        },
      },
      // A credential without a label says nothing of one.
      {
        type: 'CredentialAdded',
        stream,
        body: { credentialId: 'cred_two', secretId: 'sec_two', fingerprint: 'fp_two', weight: 1 },
      },
    ])
  })

  test('is refused under an id that is taken, with the version that has it', () => {
    expect(outcome(decide(registered, registerOpenai))).toEqual({
      kind: 'exists',
      what: 'provider openai',
      version: VERSION,
    })
  })

  test('may take the id of one that was removed, and counts its versions on', () => {
    const removed = after(registerOpenai, { type: 'RemoveProvider', ...mine })
    expect(decide(removed, registerOpenai).ok).toBe(true)
    const again = after(registerOpenai, { type: 'RemoveProvider', ...mine }, registerOpenai)
    expect(again.providers.get(OPENAI)?.version).toBe(VERSION + 3)
  })

  test.each(['http://127.0.0.1:8000/v1', 'https://10.1.2.3/v1', 'http://[::1]/v1', 'http://localhost/v1'])(
    'is refused at %s unless private addresses are allowed',
    (baseUrl) => {
      const command = { ...registerOpenai, definition: definition({ baseUrl }) } as ProviderCommand
      expect(outcome(decide(after(), command))).toMatchObject({
        kind: 'invalid',
        issues: [{ path: 'definition.baseUrl' }],
      })
      const allowed = { ...registerOpenai, definition: definition({ baseUrl, allowPrivate: true }) }
      expect(decide(after(), allowed as ProviderCommand).ok).toBe(true)
    },
  )
})

describe('a change of a provider', () => {
  const changes: readonly ProviderCommand[] = [
    { type: 'UpdateProvider', ...mine, definition: definition({ name: 'New' }) },
    { type: 'EnableProvider', ...mine },
    { type: 'DisableProvider', ...mine },
    { type: 'DrainProvider', ...mine },
    { type: 'RemoveProvider', ...mine },
    { type: 'AddCredential', ...mine, credential: credential('two') },
    { type: 'RotateCredential', ...mine, credential: credential('one') },
    { type: 'RevokeCredential', ...mine, credentialId: credential('one').id },
  ]

  test.each(changes)('$type is refused when there is none', (command) => {
    expect(outcome(decide(after(), command))).toEqual({ kind: 'not_found', what: 'provider openai' })
  })

  test.each(changes)('$type is refused when it was decided on another version', (command) => {
    for (const version of [VERSION - 1, VERSION + 1]) {
      const stale = { ...command, expectedVersion: version } as ProviderCommand
      expect(outcome(decide(registered, stale))).toEqual({
        kind: 'conflict',
        what: 'provider openai',
        expected: version,
        current: VERSION,
      })
    }
  })
})

describe('updating a provider', () => {
  const update = (more: Parameters<typeof definition>[0]) =>
    outcome(decide(registered, { type: 'UpdateProvider', ...mine, definition: definition(more) }))

  test('writes nothing when nothing differs', () => {
    expect(update({})).toEqual([])
  })

  test.each([
    ['ProviderRenamed', { name: 'New' }, { name: 'New' }],
    [
      'ProviderEndpointChanged',
      { kind: 'gemini' },
      { kind: 'gemini', baseUrl: 'https://api.example.com/v1' },
    ],
    ['ProviderEgressPolicySet', { allowPrivate: true }, { allowPrivate: true }],
    ['ProviderRoutingSet', { routing: { weight: 2 } }, { routing: { weight: 2 } }],
    [
      'ProviderTimeoutsSet',
      { timeouts: { connectMs: 99 } },
      { timeouts: { connectMs: 99, answerMs: 300_000, firstTokenMs: 60_000, idleMs: 60_000 } },
    ],
    [
      'ProviderProbeConfigured',
      { probe: { enabled: false } },
      { probe: { enabled: false, intervalMs: 60_000 } },
    ],
    [
      'UpstreamPricesSet',
      { prices: [{ model: 'm', from: 5, input: 1, output: 2 }] },
      { prices: [{ model: 'm', from: 5, input: 1, output: 2 }] },
    ],
    ['ProviderModelsDeclared', { models: { static: ['a'] } }, { models: { path: '/models', static: ['a'] } }],
  ] as const)('writes %s alone when only that part differs, with its whole value', (type, more, body) => {
    expect(update(more as Parameters<typeof definition>[0])).toEqual([{ type, stream, body }])
  })

  test('leads to exactly the definition that was sent', () => {
    const wanted = definition({
      name: 'All new',
      kind: 'anthropic',
      baseUrl: 'https://other.example.com',
      routing: { weight: 7, region: 'eu', maxQps: 3 },
      timeouts: { idleMs: 5_000 },
      probe: { enabled: false, model: 'tiny' },
      models: { static: ['m'] },
    })
    const catalog = after(registerOpenai, { type: 'UpdateProvider', ...mine, definition: wanted })
    expect(catalog.providers.get(OPENAI)?.definition).toEqual(wanted)
  })

  test('is refused when the new address is private and that is not allowed', () => {
    expect(update({ baseUrl: 'http://192.168.1.1/v1' })).toMatchObject({
      kind: 'invalid',
      issues: [{ path: 'definition.baseUrl' }],
    })
  })
})

describe('turning a provider', () => {
  test.each([
    [registered, 'EnableProvider', 0, []],
    [registered, 'DisableProvider', 0, ['ProviderDisabled']],
    [registered, 'DrainProvider', 0, ['ProviderDrainStarted']],
    [disabled, 'EnableProvider', 1, ['ProviderEnabled']],
    [disabled, 'DisableProvider', 1, []],
    [disabled, 'DrainProvider', 1, ['ProviderDrainStarted']],
    [draining, 'EnableProvider', 1, ['ProviderDrainCancelled']],
    [draining, 'DisableProvider', 1, ['ProviderDisabled']],
    [draining, 'DrainProvider', 1, []],
  ] as const)('from each state by each command (%#)', (catalog, type, by, events) => {
    expect(outcome(decide(catalog, state(type, by)))).toEqual(
      events.map((event) => ({ type: event, stream, body: {} })),
    )
  })
})

describe('removing a provider', () => {
  test('is refused while models name it, all of which are told', () => {
    const used = after(registerOpenai, registerAzure, createFast)
    expect(outcome(decide(used, { type: 'RemoveProvider', ...mine }))).toEqual({
      kind: 'in_use',
      what: 'provider openai',
      by: ['model fast'],
    })
    expect(decide(used, { type: 'RemoveProvider', id: AZURE, expectedVersion: 1 }).ok).toBe(false)
  })

  test('is one event when nothing names it', () => {
    expect(outcome(decide(registered, { type: 'RemoveProvider', ...mine }))).toEqual([
      { type: 'ProviderRemoved', stream, body: {} },
    ])
  })
})

describe('the credentials of a provider', () => {
  test('are added until there are fifty', () => {
    const credentials = Array.from({ length: 50 }, (_, at) => credential(String(at)))
    const full = after({ ...registerOpenai, credentials } as ProviderCommand)
    const add = {
      type: 'AddCredential',
      id: OPENAI,
      expectedVersion: 51,
      credential: credential('more'),
    } as const
    expect(outcome(decide(full, add))).toEqual({
      kind: 'invalid',
      issues: [{ path: 'credential', message: 'a provider has at most 50 credentials' }],
    })
    const less = after({ ...registerOpenai, credentials: credentials.slice(1) } as ProviderCommand)
    expect(decide(less, { ...add, expectedVersion: 50 }).ok).toBe(true)
  })

  test('keep their label and weight when their secret is rotated', () => {
    const labelled = { ...registerOpenai, credentials: [credential('one', { label: 'a', weight: 5 })] }
    const rotated = { ...credential('two'), id: credential('one').id }
    const catalog = after(labelled, {
      type: 'RotateCredential',
      ...mine,
      credential: rotated,
    })
    expect(catalog.providers.get(OPENAI)?.credentials).toEqual([
      { id: 'cred_one', secretId: 'sec_two', fingerprint: 'fp_two', label: 'a', weight: 5 },
    ])
  })

  test.each([
    { type: 'RotateCredential', ...mine, credential: credential('none') },
    { type: 'RevokeCredential', ...mine, credentialId: credential('none').id },
  ] as const)('$type is refused for one the provider does not have', (command) => {
    expect(outcome(decide(registered, command))).toEqual({
      kind: 'not_found',
      what: 'credential cred_none',
    })
  })

  test('can all be revoked: a provider may do without', () => {
    const revoke = { type: 'RevokeCredential', ...mine, credentialId: credential('one').id } as const
    expect(outcome(decide(registered, revoke))).toEqual([
      { type: 'CredentialRevoked', stream, body: { credentialId: 'cred_one' } },
    ])
    expect(after(registerOpenai, revoke).providers.get(OPENAI)?.credentials).toEqual([])
  })
})
