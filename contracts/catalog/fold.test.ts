import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildCommits, sealCommit } from '#test/arbitraries/commits.ts'
import { catalogEvent, history } from '#test/arbitraries/history.ts'
import { json } from '#test/arbitraries/json.ts'
import { canonical } from '../canonical.ts'
import { decodeCommit, readCommit, type Commit } from '../commit/commit.ts'
import { stateDigest } from '../commit/digest.ts'
import {
  clientKeyStream,
  keyId,
  modelName,
  modelStream,
  providerId,
  providerStream,
  type StreamId,
} from '../ids.ts'
import { EMPTY_CATALOG, type Catalog } from './catalog.ts'
import type { CatalogEvent } from './event.ts'
import { foldCommits } from './fold.ts'
import { ProviderDefinition } from './provider.ts'

const OPENAI = providerId('openai')
const FAST = modelName('fast')
const KEY = keyId('key_1')
const DIGEST = 'd'.repeat(43)
const OTHER_DIGEST = 'e'.repeat(43)

const definition = ProviderDefinition.parse({
  name: 'OpenAI',
  kind: 'openai',
  baseUrl: 'https://api.openai.com/v1',
})

const onProvider = (type: string, body: object = {}): CatalogEvent =>
  ({ type, stream: providerStream(OPENAI), body }) as CatalogEvent
const onModel = (type: string, body: object = {}): CatalogEvent =>
  ({ type, stream: modelStream(FAST), body }) as CatalogEvent
const onKey = (type: string, body: object = {}): CatalogEvent =>
  ({ type, stream: clientKeyStream(KEY), body }) as CatalogEvent

const registered = onProvider('ProviderRegistered', { origin: 'api', definition })
const credential = (id: string, secret: string, weight = 1) =>
  onProvider('CredentialAdded', {
    credentialId: id,
    secretId: secret,
    fingerprint: `fp of ${secret}`,
    weight,
  })
const target = (provider: string, model: string, weight = 1, tier = 0) => ({ provider, model, weight, tier })
const created = onModel('LogicalModelCreated', {
  name: 'fast',
  origin: 'api',
  targets: [target('openai', 'gpt', 3), target('azure', 'gpt', 1, 1)],
  aliases: ['quick'],
})
const issued = onKey('ClientKeyIssued', {
  origin: 'api',
  name: 'team',
  digest: DIGEST,
  prefix: 'apx_1',
  expiresAt: null,
})

/** Folds events one commit each, through the wire and back, as a node does. */
const commitsOf = (...batches: readonly (readonly CatalogEvent[])[]): readonly Commit[] =>
  buildCommits(batches).map(readCommit)
const folded = (...events: readonly CatalogEvent[]): Catalog =>
  foldCommits(EMPTY_CATALOG, commitsOf(...events.map((event) => [event])))

const provider = (catalog: Catalog) => catalog.providers.get(OPENAI)
const model = (catalog: Catalog) => catalog.models.get(FAST)
const key = (catalog: Catalog) => catalog.keys.get(KEY)

describe('a provider', () => {
  test('is there once it is registered, enabled and without credentials', () => {
    expect(provider(folded(registered))).toEqual({
      id: 'openai',
      version: 1,
      origin: 'api',
      state: 'enabled',
      definition,
      credentials: [],
      createdAt: 1,
      changedAt: 1,
    })
  })

  test('changes one part of its definition and keeps the others', () => {
    const catalog = folded(
      registered,
      onProvider('ProviderRenamed', { name: 'New name' }),
      onProvider('ProviderEndpointChanged', { kind: 'gemini', baseUrl: 'https://g.example/v1' }),
      onProvider('ProviderEgressPolicySet', { allowPrivate: true }),
      onProvider('ProviderRoutingSet', { routing: { weight: 9 } }),
    )
    expect(provider(catalog)?.definition).toEqual({
      ...definition,
      name: 'New name',
      kind: 'gemini',
      baseUrl: 'https://g.example/v1',
      allowPrivate: true,
      routing: { weight: 9 },
    })
    expect(provider(catalog)).toMatchObject({ version: 5, createdAt: 1, changedAt: 5 })
  })

  test.each([
    [['ProviderDisabled'], 'disabled'],
    [['ProviderDisabled', 'ProviderEnabled'], 'enabled'],
    [['ProviderDrainStarted'], 'draining'],
    [['ProviderDrainStarted', 'ProviderDrainCancelled'], 'enabled'],
    [['ProviderDrainStarted', 'ProviderDisabled'], 'disabled'],
  ] as const)('after %j is %s', (types, state) => {
    expect(provider(folded(registered, ...types.map((type) => onProvider(type))))?.state).toBe(state)
  })

  test('keeps credentials in the order they came, each once', () => {
    const catalog = folded(registered, credential('a', 's1'), credential('b', 's2', 5), credential('a', 's3'))
    expect(provider(catalog)?.credentials.map(({ id, secretId, weight }) => [id, secretId, weight])).toEqual([
      ['b', 's2', 5],
      ['a', 's3', 1],
    ])
  })

  test('rotates a credential in its place, keeping weight and label', () => {
    const labelled = onProvider('CredentialAdded', {
      credentialId: 'a',
      secretId: 's1',
      fingerprint: 'f1',
      label: 'team a',
      weight: 4,
    })
    const rotated = onProvider('CredentialRotated', { credentialId: 'a', secretId: 's2', fingerprint: 'f2' })
    const catalog = folded(registered, labelled, credential('b', 's9'), rotated)
    expect(provider(catalog)?.credentials[0]).toEqual({
      id: 'a',
      secretId: 's2',
      fingerprint: 'f2',
      label: 'team a',
      weight: 4,
    })
  })

  test('loses a revoked credential and no other', () => {
    const revoked = onProvider('CredentialRevoked', { credentialId: 'a' })
    const catalog = folded(registered, credential('a', 's1'), credential('b', 's2'), revoked)
    expect(provider(catalog)?.credentials.map(({ id }) => id)).toEqual(['b'])
  })

  test('is gone when removed, but its stream goes on counting', () => {
    const catalog = folded(registered, onProvider('ProviderRemoved'))
    expect(provider(catalog)).toBeUndefined()
    expect(catalog.versions.get(providerStream(OPENAI))).toBe(2)
    const again = folded(registered, onProvider('ProviderRemoved'), registered)
    expect(provider(again)).toMatchObject({ version: 3, createdAt: 3, credentials: [] })
  })
})

describe('a logical model', () => {
  test('changes all weights at once and keeps targets that are not named', () => {
    const weights = [
      { provider: 'openai', model: 'gpt', weight: 0.5 },
      { provider: 'nobody', model: 'gpt', weight: 7 },
    ]
    expect(model(folded(created, onModel('RouteWeightsSet', { weights })))?.targets).toEqual([
      target('openai', 'gpt', 0.5),
      target('azure', 'gpt', 1, 1),
    ])
  })

  test('replaces its targets', () => {
    const catalog = folded(created, onModel('RouteTargetsSet', { targets: [target('local', 'llama')] }))
    expect(model(catalog)?.targets).toEqual([target('local', 'llama')])
  })

  test('has each alias once', () => {
    const catalog = folded(
      created,
      onModel('LogicalModelAliasAdded', { alias: 'swift' }),
      onModel('LogicalModelAliasAdded', { alias: 'quick' }),
      onModel('LogicalModelAliasRemoved', { alias: 'swift' }),
      onModel('LogicalModelAliasRemoved', { alias: 'never there' }),
    )
    expect(model(catalog)?.aliases).toEqual(['quick'])
  })

  test('is gone when retired', () => {
    expect(model(folded(created, onModel('LogicalModelRetired')))).toBeUndefined()
  })
})

describe('a client key', () => {
  test('honours its former digest after a rotation', () => {
    const rotated = onKey('ClientKeyRotated', { digest: OTHER_DIGEST, prefix: 'apx_2', overlapUntil: 99 })
    expect(key(folded(issued, rotated))).toMatchObject({
      digest: OTHER_DIGEST,
      prefix: 'apx_2',
      previous: { digest: DIGEST, overlapUntil: 99 },
      state: 'active',
    })
  })

  test('can be suspended, resumed and given an end', () => {
    const catalog = folded(issued, onKey('ClientKeySuspended'), onKey('ClientKeyExpirySet', { expiresAt: 5 }))
    expect(key(catalog)).toMatchObject({ state: 'suspended', expiresAt: 5 })
    expect(key(folded(issued, onKey('ClientKeySuspended'), onKey('ClientKeyResumed')))?.state).toBe('active')
  })

  test('stays revoked whatever comes after it', () => {
    const revoked = [
      issued,
      onKey('ClientKeyRotated', { digest: OTHER_DIGEST, prefix: 'x', overlapUntil: 9 }),
      onKey('ClientKeyRevoked'),
    ]
    fc.assert(
      fc.property(
        fc.array(
          catalogEvent.filter(({ type }) => type !== 'ClientKeyIssued'),
          { maxLength: 20 },
        ),
        (later) => {
          const events = [...revoked, ...later.map((event) => ({ ...event, stream: clientKeyStream(KEY) }))]
          expect(key(folded(...events))).toMatchObject({
            state: 'revoked',
            previous: null,
            digest: OTHER_DIGEST,
          })
        },
      ),
    )
  })

  test('stays revoked even when its stream is begun again', () => {
    expect(key(folded(issued, onKey('ClientKeyRevoked'), issued))?.state).toBe('revoked')
  })
})

describe('an event that cannot be read', () => {
  const unreadable = (stream: StreamId, version: number): Commit => {
    const event = { i: 0, stream, sver: version, type: 'ProviderTeleported', sv: 1, body: '{}' }
    return readCommit(sealCommit({ commit: 9, prev: '0'.repeat(64), events: [event] }))
  }

  test('freezes its entity as it was and says why; all others go on', () => {
    const before = folded(registered, created)
    const after = foldCommits(before, [unreadable(providerStream(OPENAI), 2)])
    expect(provider(after)).toEqual(provider(before))
    expect(after.frozen.get(providerStream(OPENAI))).toEqual({
      commit: 9,
      type: 'ProviderTeleported',
      reason: 'a type this build does not know',
    })
    const [renamed] = commitsOf([
      onProvider('ProviderRenamed', { name: 'too late' }),
      onModel('LogicalModelRetired'),
    ])
    const later = foldCommits(after, renamed === undefined ? [] : [renamed])
    expect(provider(later)?.definition.name).toBe('OpenAI')
    expect(model(later)).toBeUndefined()
  })

  test('keeps counting versions of the frozen stream', () => {
    const catalog = foldCommits(folded(registered), [unreadable(providerStream(OPENAI), 2)])
    expect(catalog.versions.get(providerStream(OPENAI))).toBe(2)
  })
})

describe('the fold', () => {
  test('never throws, whatever commits say', () => {
    const wireText = fc.oneof(
      fc.string(),
      fc.constantFrom('{}', 'null', '[]', '{"name":1}'),
      json.map(canonical),
    )
    const event = fc.record({
      i: fc.nat(5),
      stream: fc.oneof(
        fc.string({ minLength: 1 }),
        catalogEvent.map(({ stream }) => String(stream)),
      ),
      sver: fc.integer({ min: 1, max: 9 }),
      type: fc.oneof(
        fc.string({ minLength: 1 }),
        catalogEvent.map(({ type }): string => type),
      ),
      sv: fc.integer({ min: 1, max: 3 }),
      body: fc.oneof(
        wireText,
        catalogEvent.map(({ body }) => canonical(body)),
      ),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), (events) => {
        const commit = readCommit(sealCommit({ commit: 1, prev: '0'.repeat(64), events }))
        const catalog = foldCommits(EMPTY_CATALOG, [commit])
        // What it made can be hashed, so it holds nothing that JSON cannot say.
        expect(stateDigest(catalog)).toHaveLength(64)
      }),
      { numRuns: 500 },
    )
  })

  test('never throws on events at streams they do not belong to', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(catalogEvent, catalogEvent), { maxLength: 20 }), (pairs) => {
        const moved = pairs.map(([event, { stream }]) => ({ ...event, stream }))
        expect(folded(...moved).commit).toBe(moved.length)
      }),
    )
  })

  test('lets no event of another kind change an entity', () => {
    const cases = [
      [registered, onProvider('LogicalModelRetired'), onProvider('ClientKeyRevoked')],
      [created, onModel('ProviderDisabled'), onModel('ClientKeyRevoked')],
      [issued, onKey('ProviderRemoved'), onKey('LogicalModelRetired')],
    ] as const
    const entities = ({ providers, models, keys }: Catalog) => [
      ...providers.values(),
      ...models.values(),
      ...keys.values(),
    ]
    for (const [first, ...strays] of cases) {
      const untouched = entities(folded(first)).map((entity) => ({ ...entity, version: 3, changedAt: 3 }))
      expect(entities(folded(first, ...strays))).toEqual(untouched)
    }
  })

  test('makes the same of a batch as of its commits one by one', () => {
    fc.assert(
      fc.property(history, (batches) => {
        const commits = commitsOf(...batches)
        const step = commits.reduce((catalog, commit) => foldCommits(catalog, [commit]), EMPTY_CATALOG)
        expect(foldCommits(EMPTY_CATALOG, commits)).toEqual(step)
      }),
    )
  })

  test('goes on from any point as if it had never stopped', () => {
    fc.assert(
      fc.property(history, fc.nat(), (batches, cutAt) => {
        const commits = commitsOf(...batches)
        const cut = commits.length === 0 ? 0 : cutAt % commits.length
        const half = foldCommits(EMPTY_CATALOG, commits.slice(0, cut))
        expect(foldCommits(half, commits.slice(cut))).toEqual(foldCommits(EMPTY_CATALOG, commits))
      }),
    )
  })

  test('leaves the catalog it was given as it was', () => {
    fc.assert(
      fc.property(history, history, (before, after) => {
        const catalog = foldCommits(EMPTY_CATALOG, commitsOf(...before))
        const copy = structuredClone(catalog)
        foldCommits(catalog, commitsOf(...after))
        expect(catalog).toEqual(copy)
      }),
    )
  })

  test('says after every history how many events each stream has had', () => {
    fc.assert(
      fc.property(history, (batches) => {
        const counts = new Map<string, number>()
        for (const { stream } of batches.flat()) counts.set(stream, (counts.get(stream) ?? 0) + 1)
        expect(foldCommits(EMPTY_CATALOG, commitsOf(...batches)).versions).toEqual(counts)
      }),
    )
  })

  test('shares what a commit does not touch, so that a change costs what it changes', () => {
    const before = folded(registered, created, issued)
    const [renamed] = commitsOf([onProvider('ProviderRenamed', { name: 'other' })])
    const after = foldCommits(before, renamed === undefined ? [] : [renamed])
    expect(after.models).toBe(before.models)
    expect(after.keys).toBe(before.keys)
    expect(after.providers).not.toBe(before.providers)
  })

  test('makes the same of commits that went over the wire', () => {
    fc.assert(
      fc.property(history, (batches) => {
        const wire = buildCommits(batches)
        const travelled = wire.map((commit) => {
          const decoded = decodeCommit(canonical(commit))
          if (!decoded.ok) throw new Error(decoded.error)
          return readCommit(decoded.value)
        })
        expect(foldCommits(EMPTY_CATALOG, travelled)).toEqual(
          foldCommits(EMPTY_CATALOG, wire.map(readCommit)),
        )
      }),
    )
  })
})
