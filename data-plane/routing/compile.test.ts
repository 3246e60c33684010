import { beforeEach, describe, expect, test } from 'vitest'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import type { ListedModels } from '#contracts/catalog/facts/listed-model.ts'
import type { RouteTarget } from '#contracts/catalog/model.ts'
import { readCommit } from '#contracts/commit/commit.ts'
import {
  clientKeyStream,
  keyId,
  modelName,
  modelStream,
  providerId,
  providerStream,
  type ProviderId,
} from '#contracts/ids.ts'
import {
  credentialAdded,
  keyIssued,
  keyRevoked,
  providerRegistered,
  TestLog,
  type TestEvent,
} from '#test/model/log-builder.ts'
import { compileSnapshot, type NodeSlots } from './compile.ts'
import { Slots } from './slots.ts'
import type { RoutingSnapshot } from './snapshot.ts'

let log: TestLog
let catalog: Catalog
let slots: NodeSlots
let secrets: Map<string, string>
let discovered: Map<ProviderId, ListedModels>
let previous: RoutingSnapshot | null

beforeEach(() => {
  log = new TestLog()
  catalog = EMPTY_CATALOG
  slots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
  secrets = new Map()
  discovered = new Map()
  previous = null
})

/** Compiles what the log says now, after these events, on top of the snapshot before. */
function compile(...events: readonly TestEvent[]): RoutingSnapshot {
  if (events.length > 0) log.append(events)
  // As a node does it: what an event does not touch stays the very same.
  catalog = foldCommits(catalog, log.commits.slice(catalog.commit).map(readCommit))
  const secret = (id: string): string | undefined => secrets.get(id)
  previous = compileSnapshot({ catalog, digest: log.digest(), secret, discovered, slots, previous })
  return previous
}

const seen = (...ids: readonly string[]): ListedModels => ({ at: 1, models: ids.map((id) => ({ id })) })

const onProvider = (
  id: string,
  type: 'ProviderDisabled' | 'ProviderEnabled' | 'ProviderDrainStarted' | 'ProviderRemoved',
): CatalogEvent => ({
  type,
  stream: providerStream(providerId(id)),
  body: {},
})
const serving = (id: string, ...models: readonly string[]): CatalogEvent =>
  providerRegistered(id, { models: { static: [...models] } })

type Target = readonly [provider: string, model: string, over?: Partial<RouteTarget>]
function modelCreated(
  name: string,
  targets: readonly Target[],
  aliases: readonly string[] = [],
): CatalogEvent {
  const body = targets.map(([provider, model, over]) => ({ provider, model, weight: 1, tier: 0, ...over }))
  return {
    type: 'LogicalModelCreated',
    stream: modelStream(modelName(name)),
    body: { name, origin: 'api', targets: body, aliases: [...aliases] },
  }
}

/** `provider/model weight` of each candidate, by tier. */
const candidates = (snapshot: RoutingSnapshot, name: string): readonly string[] | undefined =>
  snapshot.routes
    .get(name)
    ?.candidates.map(({ deployment, weight, tier }) => `${deployment.id} ${weight} ${tier}`)

describe('a provider', () => {
  test('becomes deployments with everything a request needs', () => {
    secrets.set('one', 'sk-1').set('two', 'sk-2')
    const definition = {
      baseUrl: 'https://host.example:8443/prefix/v1?api-version=3',
      timeouts: { connectMs: 11, answerMs: 12, firstTokenMs: 13, idleMs: 14 },
      routing: { retryableStatusCodes: [500, 429], maxQps: 7 },
      models: { static: ['vendor/modèle-1'] },
    }
    const snapshot = compile(
      providerRegistered('a', definition),
      credentialAdded('a', 'one'),
      credentialAdded('a', 'two'),
    )
    expect(snapshot.providers.get(providerId('a'))?.deployments.get('vendor/modèle-1')).toMatchObject({
      id: 'a/vendor/modèle-1',
      provider: 'a',
      model: 'vendor/modèle-1',
      modelJson: Buffer.from('"vendor/modèle-1"'),
      modelHeader: 'vendor/mod%C3%A8le-1',
      origin: 'https://host.example:8443',
      endpoints: { chat: '/prefix/v1/chat/completions?api-version=3' },
      allowPrivate: false,
      timeouts: definition.timeouts,
      retryable: new Set([500, 429]),
      maxQps: 7,
      lanes: [
        { credential: 'cred_one', weight: 1, headers: ['authorization', 'Bearer sk-1'] },
        { credential: 'cred_two', weight: 1, headers: ['authorization', 'Bearer sk-2'] },
      ],
    })
  })

  test('that wants no credential has one lane without a header', () => {
    const deployment = compile(serving('a', 'm')).providers.get(providerId('a'))?.deployments.get('m')
    expect(deployment).toMatchObject({
      lanes: [{ credential: null, headers: [], weight: 1 }],
      retryable: null,
      maxQps: Infinity,
    })
  })

  test('pins any model, and all that nobody lists share one place', () => {
    const provider = compile(serving('a', 'm')).providers.get(providerId('a'))
    const [one, other] = [provider?.pin('x'), provider?.pin('y')]
    expect([one?.modelJson.toString(), other?.modelJson.toString()]).toEqual(['"x"', '"y"'])
    expect(one?.slot).toBe(other?.slot)
    expect(one?.lanes[0]?.slot).toBe(other?.lanes[0]?.slot)
    for (let at = 0; at < 100; at++) provider?.pin(`model-${at}`)
    expect(slots.deployments.size).toBe(2)
  })
})

describe('what did not change', () => {
  beforeEach(() => {
    compile(
      serving('a', 'm1', 'm2'),
      serving('b', 'm1'),
      keyIssued('key_1'),
      modelCreated('fast', [['a', 'm1']]),
    )
  })

  test('is the very same after a change of something else', () => {
    const before = previous!
    const after = compile(serving('c', 'm3'))
    for (const id of ['a', 'b'].map(providerId))
      expect(after.providers.get(id)).toBe(before.providers.get(id))
    expect(after.keys).toBe(before.keys)
    expect(after.models).not.toBe(before.models)
    const again = compile(keyIssued('key_2'))
    expect([again.models, again.routes]).toEqual([after.models, after.routes])
    expect(again.routes).toBe(after.routes)
    expect(again.keys).not.toBe(after.keys)
    expect(again.commit).toBe(log.head)
  })

  test('is the same even if a provider comes back: counters and health go on', () => {
    const before = previous!.providers.get(providerId('b'))?.deployments.get('m1')
    compile(onProvider('b', 'ProviderRemoved'))
    const after = compile(serving('b', 'm1')).providers.get(providerId('b'))?.deployments.get('m1')
    expect(after).not.toBe(before)
    expect([after?.slot, after?.lanes[0]?.slot, after?.providerSlot]).toEqual([
      before?.slot,
      before?.lanes[0]?.slot,
      before?.providerSlot,
    ])
  })

  test('does not hide a discovered model that took the place of another', () => {
    discovered.set(providerId('c'), seen('m1', 'old'))
    compile(
      serving('c'),
      modelCreated('all', [
        ['c', 'old'],
        ['c', 'new'],
      ]),
    )
    // Targets keep both deployments, and the list is as long as before.
    discovered.set(providerId('c'), seen('m1', 'new'))
    const after = compile(keyIssued('key_9'))
    expect([candidates(after, 'new'), candidates(after, 'old')]).toEqual([['c/new 1 0'], undefined])
  })

  test('does not keep a target of a logical model from getting its deployment', () => {
    expect(candidates(compile(modelCreated('slow', [['b', 'unlisted']])), 'slow')).toEqual(['b/unlisted 1 0'])
  })
})

describe('a provider whose secret is not here', () => {
  test('is left out while it has never been complete, and is named', () => {
    const snapshot = compile(
      serving('a', 'm'),
      credentialAdded('a', 'one'),
      modelCreated('fast', [['a', 'm']]),
    )
    expect(snapshot.providers.size).toBe(0)
    expect(candidates(snapshot, 'fast')).toEqual([])
    expect(snapshot.nacks).toEqual([
      { commit: log.head, stream: 'provider-a', reason: expect.stringContaining('cred_one') },
    ])
    secrets.set('one', 'sk-1')
    const after = compile()
    expect(after.nacks).toEqual([])
    expect(candidates(after, 'm')).toEqual(['a/m 1 0'])
  })

  test('keeps its last good form; everything else applies', () => {
    secrets.set('one', 'sk-1')
    const before = compile(serving('a', 'm'), credentialAdded('a', 'one'))
    const after = compile(credentialAdded('a', 'two'), serving('b', 'm'))
    expect(after.providers.get(providerId('a'))).toBe(before.providers.get(providerId('a')))
    expect(candidates(after, 'm')).toEqual(['a/m 1 0', 'b/m 1 0'])
    expect(after.nacks).toEqual([
      { commit: log.head, stream: 'provider-a', reason: 'the secret of credential cred_two is not here yet' },
    ])
    secrets.set('two', 'sk-2')
    expect(compile().providers.get(providerId('a'))?.deployments.get('m')?.lanes).toHaveLength(2)
  })

  test('stops when the operator disables or drains it all the same', () => {
    secrets.set('one', 'sk-1')
    compile(serving('a', 'm'), credentialAdded('a', 'one'), modelCreated('fast', [['a', 'm']]))
    compile(credentialAdded('a', 'two'))
    const drained = compile(onProvider('a', 'ProviderDrainStarted'))
    expect([candidates(drained, 'm'), candidates(drained, 'fast')]).toEqual([undefined, ['a/m 0 0']])
    expect(drained.nacks).toHaveLength(1)
    const disabled = compile(onProvider('a', 'ProviderDisabled'))
    expect(candidates(disabled, 'fast')).toEqual([])
    const enabled = compile(onProvider('a', 'ProviderEnabled'))
    expect(candidates(enabled, 'fast')).toEqual(['a/m 1 0'])
  })
})

describe('an entity that could not be read', () => {
  test('is named, and stays as it was', () => {
    compile(serving('a', 'm'))
    const snapshot = compile({ type: 'ProviderMoved', stream: 'provider-a', body: { to: 'the future' } })
    expect(snapshot.nacks).toEqual([
      { commit: log.head, stream: 'provider-a', reason: expect.stringContaining('ProviderMoved') },
    ])
    expect(candidates(snapshot, 'm')).toEqual(['a/m 1 0'])
  })
})

describe('a provider that is', () => {
  beforeEach(() => {
    compile(
      serving('a', 'm', 'only-a'),
      serving('b', 'm'),
      modelCreated('fast', [
        ['a', 'm', { weight: 3 }],
        ['b', 'm', { tier: 1 }],
      ]),
    )
  })

  test('disabled is not there', () => {
    const snapshot = compile(onProvider('a', 'ProviderDisabled'))
    expect([candidates(snapshot, 'm'), candidates(snapshot, 'only-a'), candidates(snapshot, 'fast')]).toEqual(
      [['b/m 1 0'], undefined, ['b/m 1 1']],
    )
  })

  test('draining is there for logical models, and takes nothing new', () => {
    const snapshot = compile(onProvider('a', 'ProviderDrainStarted'))
    expect([candidates(snapshot, 'm'), candidates(snapshot, 'fast')]).toEqual([
      ['b/m 1 0'],
      ['a/m 0 0', 'b/m 1 1'],
    ])
  })

  test('removed leaves the targets that name it empty', () => {
    expect(candidates(compile(onProvider('a', 'ProviderRemoved')), 'fast')).toEqual(['b/m 1 1'])
  })
})

describe('names', () => {
  test('of one model at several providers form one group, weighted by the providers', () => {
    const heavy = providerRegistered('b', { models: { static: ['m'] }, routing: { weight: 5 } })
    expect(candidates(compile(serving('a', 'm'), heavy), 'm')).toEqual(['a/m 1 0', 'b/m 5 0'])
  })

  test('that a provider lists twice are one', () => {
    discovered.set(providerId('b'), seen('n', 'n'))
    const snapshot = compile(serving('a', 'm', 'm'), serving('b'))
    expect([candidates(snapshot, 'm'), candidates(snapshot, 'n')]).toEqual([['a/m 1 0'], ['b/n 1 0']])
  })

  test('that the operator names replace those the provider was seen to serve', () => {
    discovered.set(providerId('a'), seen('m', 'n'))
    const snapshot = compile(serving('a', 'm'))
    expect([candidates(snapshot, 'm'), candidates(snapshot, 'n')]).toEqual([['a/m 1 0'], undefined])
  })

  test('of logical models and their aliases replace groups of the same name', () => {
    const snapshot = compile(
      serving('a', 'm', 'alias'),
      serving('b', 'x'),
      modelCreated('m', [['b', 'x']], ['alias', 'other']),
    )
    for (const name of ['m', 'alias', 'other']) {
      expect(candidates(snapshot, name)).toEqual(['b/x 1 0'])
      expect(snapshot.routes.get(name)).toMatchObject({ model: 'm', logical: true })
    }
    expect(snapshot.routes.get('x')).toMatchObject({ model: 'x', logical: false })
  })

  test('like __proto__ are names like any other', () => {
    const snapshot = compile(serving('a', '__proto__', 'constructor'))
    expect([candidates(snapshot, '__proto__'), candidates(snapshot, 'toString')]).toEqual([
      ['a/__proto__ 1 0'],
      undefined,
    ])
    expect(snapshot.models.byId.get('constructor')?.id).toBe('constructor')
  })

  test('are all listed once, sorted, with who owns them', () => {
    const { models } = compile(
      serving('a', 'm', 'b/vendor'),
      serving('b', 'm'),
      modelCreated('fast', [['a', 'm']], ['quick']),
    )
    const { object, data } = JSON.parse(models.body.toString()) as {
      object: string
      data: { id: string; owned_by: string }[]
    }
    expect(object).toBe('list')
    expect(data.map(({ id, owned_by }) => `${id} ${owned_by}`)).toEqual([
      'b/vendor a',
      'fast apiproxy',
      'm a',
      'quick apiproxy',
    ])
    expect(data[0]).toEqual({ id: 'b/vendor', object: 'model', created: 1_700_000_000, owned_by: 'a' })
    expect(models.entries.map(({ id }) => id)).toEqual(data.map(({ id }) => id))
  })

  test('that changed change the list’s tag, and nothing else does', () => {
    const before = compile(serving('a', 'm')).models
    expect(compile(keyIssued('key_1')).models.etag).toBe(before.etag)
    expect(compile(serving('b', 'm')).models.etag).toBe(before.etag)
    expect(compile(serving('c', 'n')).models.etag).not.toBe(before.etag)
    expect(before.etag).toMatch(/^"[\w-]{22}"$/)
  })
})

describe('client keys', () => {
  const rotated = (id: string, digest: string, overlapUntil: number): CatalogEvent => ({
    type: 'ClientKeyRotated',
    stream: clientKeyStream(keyId(id)),
    body: { digest: digest.padEnd(43, '.'), prefix: 'sk', overlapUntil },
  })
  const expiring = (id: string, expiresAt: number | null): CatalogEvent => ({
    type: 'ClientKeyExpirySet',
    stream: clientKeyStream(keyId(id)),
    body: { expiresAt },
  })
  const principal = (digest: string) => previous?.keys.get(digest.padEnd(43, '.'))

  test('are found by their digest', () => {
    compile(keyIssued('key_1'))
    expect(principal('key_1')).toEqual({
      keyId: 'key_1',
      state: 'active',
      expiresAt: Infinity,
      scope: null,
      limits: null,
      budgets: null,
      keepContext: true,
      contentLog: null,
    })
    expect(principal('key_2')).toBeUndefined()
  })

  test('that were rotated are found by both, the old one until the overlap ends', () => {
    compile(keyIssued('key_1'), rotated('key_1', 'new', 5_000))
    expect([principal('key_1')?.expiresAt, principal('new')?.expiresAt]).toEqual([5_000, Infinity])
    compile(expiring('key_1', 3_000))
    expect([principal('key_1')?.expiresAt, principal('new')?.expiresAt]).toEqual([3_000, 3_000])
  })

  test('that were revoked are known as such; what they were before a rotation is forgotten', () => {
    compile(keyIssued('key_1'), rotated('key_1', 'new', 5_000), keyRevoked('key_1'))
    expect([principal('key_1')?.state, principal('new')?.state]).toEqual([undefined, 'revoked'])
  })
})
