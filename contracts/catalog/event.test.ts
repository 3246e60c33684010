import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { canonical, checkCanonical } from '../canonical.ts'
import { readEvent } from '../commit/commit.ts'
import { stateDigest } from '../commit/digest.ts'
import { EMPTY_CATALOG, FOLD_VERSION, type Catalog } from './catalog.ts'
import {
  currentVersion,
  EVENT_TYPES,
  isEventType,
  parseEventBody,
  REVOCATIONS,
  type EventType,
  type RecordedEvent,
} from './event.ts'
import { foldCommits } from './fold.ts'

/**
 * One file per event type and version, as that version was written. They are history: a file is added with a
 * new version, never changed. This list makes a change visible in review.
 */
const GOLDEN: Readonly<Record<string, string>> = {
  'BudgetCreated.v1.json': '9de7f26abd396dd2',
  'BudgetRemoved.v1.json': '8849a4049483ae21',
  'BudgetTermsSet.v1.json': '4f65a8a82e469504',
  'ClientKeyContentLogSet.v1.json': 'f6fc5ffd93040362',
  'ClientKeyContextSet.v1.json': '623a73ed5df9f12a',
  'ClientKeyExpirySet.v1.json': 'b914bb206b5aecc9',
  'ClientKeyIssued.v1.json': '28b183516b3157c3',
  'ClientKeyLimitsSet.v1.json': '6a94a297d66805b2',
  'ClientKeyOwnerSet.v1.json': '55455fafaf8275ae',
  'ClientKeyResumed.v1.json': '8130de8347fff47b',
  'ClientKeyRevoked.v1.json': '5dd7bffa3def38e6',
  'ClientKeyRotated.v1.json': 'c8b640977eff981a',
  'ClientKeyScopesSet.v1.json': 'beb3fa42a0f3f6cf',
  'ClientKeySuspended.v1.json': 'd3ceaedd77b35834',
  'CredentialAdded.v1.json': '1bd2e637f0c4a10c',
  'CredentialRevoked.v1.json': '937bbca2a5da44ea',
  'CredentialRotated.v1.json': 'de2e475d1f4b50da',
  'EpochAdvanced.v1.json': '0048774f41d736ca',
  'GenesisCreated.v1.json': '149deed1b927703c',
  'LogicalModelAliasAdded.v1.json': 'e68fd57b8bc0f6ca',
  'LogicalModelAliasRemoved.v1.json': '81f2cce0162a99d2',
  'LogicalModelCreated.v1.json': '255f713b84cce91f',
  'LogicalModelLimitsSet.v1.json': '05718ad34ad44f44',
  'LogicalModelRetired.v1.json': 'fd532f40bbf85580',
  'ProviderCapabilitiesSet.v1.json': 'ef0760aa7552aa36',
  'ProviderDialectsSet.v1.json': '9ce8a88b4bbfff24',
  'ProviderDisabled.v1.json': '08264c4ac0b5819c',
  'ProviderDrainCancelled.v1.json': '17a16925d722671f',
  'ProviderDrainStarted.v1.json': '8734fa754579cd1d',
  'ProviderEgressPolicySet.v1.json': 'fda6b8f02ea3a0a5',
  'ProviderEnabled.v1.json': 'f06736bd4f4f03b5',
  'ProviderEndpointChanged.v1.json': '07bd4c1844ad2783',
  'ProviderModelsDeclared.v1.json': 'da88abe2995c4566',
  'ProviderProbeConfigured.v1.json': '0fdac5d3f7986d14',
  'ProviderRegistered.v1.json': 'a2b8e505d581efdf',
  'ProviderRemoved.v1.json': '20c97525ff630943',
  'ProviderRenamed.v1.json': '05c66ed19405b784',
  'ProviderRoutingSet.v1.json': 'd739a54e082473df',
  'ProviderTimeoutsSet.v1.json': '31d40c4c50b2c857',
  'RegionPreferenceSet.v1.json': 'b191b63c6c7920f4',
  'RouteTargetsSet.v1.json': '5652c5ed0e3988a5',
  'RouteWeightsSet.v1.json': '48f9ec6206a2df9e',
  'RoutingStrategySet.v1.json': '75727b63a1fe819a',
  'SchemaFloorRaised.v1.json': '439a58992dd2b316',
  'UpstreamPricesSet.v1.json': 'c67370fdef4aaeec',
}

type Golden = Readonly<{ type: string; version: number; stream: string; body: unknown }>

const folder = new URL('./golden/', import.meta.url)
const readGolden = (name: string): string => readFileSync(new URL(name, folder), 'utf8')
const golden = (type: EventType): Golden => JSON.parse(readGolden(`${type}.v1.json`)) as Golden

/** The golden event as a reader of the log meets it, at its place in a stream. */
function recorded(type: EventType, version: number, commit: number): RecordedEvent {
  const { stream, body } = golden(type)
  const event = readEvent(
    { i: 0, stream, sver: version, type, sv: 1, body: canonical(body as never) },
    commit,
  )
  if (event.type === 'unreadable') throw new Error(`${type}: ${event.reason}`)
  return event
}

/** Folds golden events one commit each. */
function foldGolden(types: readonly EventType[]): Catalog {
  const versions = new Map<string, number>()
  const commits = types.map((type, at) => {
    const { stream } = golden(type)
    const version = (versions.get(stream) ?? 0) + 1
    versions.set(stream, version)
    return { commit: at + 1, epoch: 1, at: 0, chain: '', events: [recorded(type, version, at + 1)] }
  })
  return foldCommits(EMPTY_CATALOG, commits)
}

describe('the golden files', () => {
  test('are there for every type and every version ever written', () => {
    const wanted = EVENT_TYPES.flatMap((type) =>
      Array.from({ length: currentVersion(type) }, (_, at) => `${type}.v${at + 1}.json`),
    )
    expect(readdirSync(folder).sort()).toEqual(wanted.sort())
  })

  test('have never changed', () => {
    const hashes = readdirSync(folder)
      .sort()
      .map((name) => [name, createHash('sha256').update(readGolden(name)).digest('hex').slice(0, 16)])
    expect(Object.fromEntries(hashes)).toEqual(GOLDEN)
  })

  test.each(EVENT_TYPES)('%s is read as it was meant', (type) => {
    const { type: named, version, stream, body } = golden(type)
    expect([named, version]).toEqual([type, 1])
    expect(checkCanonical(body).ok).toBe(true)
    const event = recorded(type, 1, 1)
    expect(event).toMatchObject({ type, stream, version: 1, commit: 1 })
    // Today's schema adds nothing to what was written then: an event carries the whole decided value.
    expect(event.body).toEqual(body)
  })

  /** What must be there for an event to have something to change. */
  const BASE: readonly EventType[] = [
    'ProviderRegistered',
    'CredentialAdded',
    'LogicalModelCreated',
    'ClientKeyIssued',
    'BudgetCreated',
  ]

  test.each(EVENT_TYPES)('%s has its effect on the catalog', (type) => {
    const before = foldGolden(BASE)
    const { stream } = golden(type)
    const version = (before.versions.get(recorded(type, 1, 1).stream) ?? 0) + 1
    const number = BASE.length + 1
    const commit = { commit: number, epoch: 1, at: 0, chain: '', events: [recorded(type, version, number)] }
    const after = foldCommits(before, [commit])
    const kind = stream.split('-')[0]
    if (kind === 'provider') expect(after.providers).not.toEqual(before.providers)
    else if (kind === 'model') expect(after.models).not.toEqual(before.models)
    else if (kind === 'budget') expect(after.budgets).not.toEqual(before.budgets)
    else if (kind === 'clientkey') expect(after.keys).not.toEqual(before.keys)
    else
      expect([after.genesis, after.epoch, after.floor]).not.toEqual([
        before.genesis,
        before.epoch,
        before.floor,
      ])
    expect(after.frozen.size).toBe(0)
  })

  test('fold to the same catalog for ever, or FOLD_VERSION is raised', () => {
    const scenario: readonly EventType[] = [
      ...(['GenesisCreated', 'ProviderRegistered', 'ProviderRenamed', 'ProviderEndpointChanged'] as const),
      ...([
        'ProviderEgressPolicySet',
        'ProviderRoutingSet',
        'ProviderTimeoutsSet',
        'ProviderProbeConfigured',
      ] as const),
      ...([
        'ProviderModelsDeclared',
        'CredentialAdded',
        'CredentialRotated',
        'ProviderDrainStarted',
      ] as const),
      ...([
        'LogicalModelCreated',
        'RouteWeightsSet',
        'LogicalModelAliasAdded',
        'LogicalModelAliasRemoved',
      ] as const),
      ...([
        'ClientKeyIssued',
        'ClientKeyRotated',
        'ClientKeyExpirySet',
        'ClientKeySuspended',
        'EpochAdvanced',
      ] as const),
    ]
    expect({ foldVersion: FOLD_VERSION, digest: stateDigest(foldGolden(scenario)) }).toEqual({
      foldVersion: 1,
      digest: '64c38f827809fa5caa2889a4120915b789c773b33ba515abd97bcbc27a94e6e3',
    })
  })
})

describe('event types', () => {
  test('are only those of the log, not what objects inherit', () => {
    expect(EVENT_TYPES).toContain('ProviderRegistered')
    for (const text of ['constructor', '__proto__', 'toString', 'unreadable', '', 'providerRegistered']) {
      expect(isEventType(text), text).toBe(false)
    }
  })

  test('refuse bodies with members they do not know, of every type', () => {
    for (const type of EVENT_TYPES) {
      const { body } = golden(type)
      expect(parseEventBody(type, body).success, type).toBe(true)
      expect(parseEventBody(type, { ...(body as object), surprise: 1 }).success, type).toBe(false)
    }
  })

  test.each([
    ['ProviderRegistered', 'definition.baseUrl', 'ftp://x'],
    ['ProviderRegistered', 'definition.baseUrl', 'https://user:pass@host/v1'],
    ['ProviderRegistered', 'definition.baseUrl', 'https://host/v1#fragment'],
    ['ProviderRegistered', 'definition.baseUrl', 'not a url'],
    ['ProviderRegistered', 'definition.timeouts.connectMs', 0],
    ['ProviderRegistered', 'definition.routing.weight', -1],
    ['ProviderRegistered', 'definition.routing.weight', Number.NaN],
    ['ProviderRegistered', 'definition.models.path', 'models'],
    ['LogicalModelCreated', 'targets', []],
    ['LogicalModelCreated', 'name', 'with space'],
    ['LogicalModelCreated', 'name', 'x'.repeat(201)],
    ['LogicalModelCreated', 'targets.0.provider', 'Upper'],
    ['LogicalModelCreated', 'targets.0.weight', -0.5],
    ['LogicalModelCreated', 'targets.0.tier', 1.5],
    ['ClientKeyIssued', 'digest', 'short'],
    ['ClientKeyIssued', 'expiresAt', -1],
    ['LogicalModelCreated', 'strategy', 'fastest'],
    ['RoutingStrategySet', 'strategy', null],
    ['RegionPreferenceSet', 'region', ''],
    ['ClientKeyScopesSet', 'scopes.models', []],
    ['ClientKeyScopesSet', 'scopes.models.0', 'with space'],
    ['ClientKeyScopesSet', 'scopes.endpoints.0', 'telepathy'],
    ['ClientKeyLimitsSet', 'limits.concurrency', 0],
    ['ClientKeyOwnerSet', 'tags.0', ''],
    ['ClientKeyContentLogSet', 'contentLog.ttlSeconds', 59],
    ['BudgetCreated', 'period', 'hour'],
    ['BudgetCreated', 'terms.amount', 0],
    ['BudgetTermsSet', 'terms.whenSpent', 200],
    ['BudgetTermsSet', 'terms.warnAt', 1.5],
    ['ProviderDialectsSet', 'dialects.0', 'smalltalk'],
    ['EpochAdvanced', 'epoch', 1],
  ] as const)('%s refuses %s = %s', (type, path, value) => {
    const body = structuredClone(golden(type).body) as Record<string, unknown>
    const steps = path.split('.')
    const last = steps.pop() ?? ''
    const place = steps.reduce((object, step) => object[step] as Record<string, unknown>, body)
    place[last] = value
    const parsed = parseEventBody(type, body)
    expect(parsed.error?.issues[0]?.path.join('.')).toBe(path)
  })
})

test('limits of a model and what a provider may reach count among what takes a right away', () => {
  for (const type of ['LogicalModelLimitsSet', 'ProviderEgressPolicySet']) expect(REVOCATIONS).toContain(type)
})
