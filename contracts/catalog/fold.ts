/**
 * The fold: events → catalog. The only one: commands, nodes, snapshots and audits all use it.
 *
 * Pure and total: it never throws and never refuses. An event that makes no sense (for an entity that is
 * not there, or that this build cannot read) leaves the entity as it was; an unreadable one also freezes
 * it, so that a node of an older release serves the last state it understood instead of guessing.
 *
 * `foldCommits` copies each map at most once per call, so a batch of commits costs one copy.
 */
import type { Commit } from '../commit/commit.ts'
import { nextDigest } from '../commit/digest.ts'
import type { CatalogSnapshot } from '../commit/snapshot.ts'
import {
  budgetId,
  credentialId,
  keyId,
  modelName,
  providerId,
  secretId,
  splitStream,
  type BudgetId,
  type KeyId,
  type ModelName,
  type ProviderId,
  type StreamId,
} from '../ids.ts'
import type { Catalog, Frozen } from './catalog.ts'
import type { Budget } from './money/budget.ts'
import type { ClientKey } from './client-key.ts'
import type { RecordedEvent, UnreadableEvent } from './event.ts'
import type { LogicalModel, RouteTarget } from './model.ts'
import type { Provider, ProviderDefinition } from './provider.ts'

/** @returns the catalog after `commits`, which must be in order; `catalog` itself is unchanged. */
export function foldCommits(catalog: Catalog, commits: readonly Commit[]): Catalog {
  const draft = new Draft(catalog)
  for (const commit of commits) {
    for (const event of commit.events) applyEvent(draft, event)
    draft.commit = commit.commit
  }
  return draft.finish()
}

/** @param commits verified, in order, the first following the snapshot's own. Throws what cannot be folded. */
export function foldOnto(snapshot: CatalogSnapshot, commits: readonly Commit[]): CatalogSnapshot {
  const { catalog: before, chain, digest } = snapshot
  const catalog = foldCommits(before, commits)
  const touched = commits.flatMap(({ events }) => events.map(({ stream }) => stream))
  return {
    catalog,
    chain: commits.at(-1)?.chain ?? chain,
    digest: nextDigest(digest, before, catalog, touched),
  }
}

/** A map that is copied when it is first written, and shared until then. */
class CopyOnWrite<Key, Value> {
  #map: Map<Key, Value> | undefined
  readonly #shared: ReadonlyMap<Key, Value>

  constructor(shared: ReadonlyMap<Key, Value>) {
    this.#shared = shared
  }

  get read(): ReadonlyMap<Key, Value> {
    return this.#map ?? this.#shared
  }

  get write(): Map<Key, Value> {
    this.#map ??= new Map(this.#shared)
    return this.#map
  }
}

/** A catalog being written. */
class Draft {
  commit: number
  epoch: number
  genesis: Catalog['genesis']
  floor: number
  readonly providers: CopyOnWrite<ProviderId, Provider>
  readonly models: CopyOnWrite<ModelName, LogicalModel>
  readonly keys: CopyOnWrite<KeyId, ClientKey>
  readonly budgets: CopyOnWrite<BudgetId, Budget>
  readonly versions: CopyOnWrite<StreamId, number>
  readonly frozen: CopyOnWrite<StreamId, Frozen>

  constructor(catalog: Catalog) {
    this.commit = catalog.commit
    this.epoch = catalog.epoch
    this.genesis = catalog.genesis
    this.floor = catalog.floor
    this.providers = new CopyOnWrite(catalog.providers)
    this.models = new CopyOnWrite(catalog.models)
    this.keys = new CopyOnWrite(catalog.keys)
    this.budgets = new CopyOnWrite(catalog.budgets)
    this.versions = new CopyOnWrite(catalog.versions)
    this.frozen = new CopyOnWrite(catalog.frozen)
  }

  finish(): Catalog {
    const { commit, epoch, genesis, floor } = this
    return {
      commit,
      epoch,
      genesis,
      floor,
      providers: this.providers.read,
      models: this.models.read,
      keys: this.keys.read,
      budgets: this.budgets.read,
      versions: this.versions.read,
      frozen: this.frozen.read,
    }
  }
}

function applyEvent(draft: Draft, event: RecordedEvent | UnreadableEvent): void {
  draft.versions.write.set(event.stream, event.version)
  if (draft.frozen.read.has(event.stream)) return
  if (event.type === 'unreadable') {
    draft.frozen.write.set(event.stream, { commit: event.commit, type: event.was, reason: event.reason })
    return
  }
  const [kind, id] = splitStream(event.stream)
  if (kind === 'provider') applyProviderEvent(draft, id, event)
  else if (kind === 'model') applyModelEvent(draft, id, event)
  else if (kind === 'clientkey') applyKeyEvent(draft, id, event)
  else if (kind === 'budget') applyBudgetEvent(draft, id, event)
  else applySystemEvent(draft, event)
}

function applySystemEvent(draft: Draft, event: RecordedEvent): void {
  if (event.type === 'GenesisCreated') draft.genesis = event.body
  else if (event.type === 'EpochAdvanced') draft.epoch = event.body.epoch
  else if (event.type === 'SchemaFloorRaised') draft.floor = Math.max(draft.floor, event.body.minFold)
}

function applyProviderEvent(draft: Draft, idText: string, event: RecordedEvent): void {
  const id = providerId(idText)
  if (event.type === 'ProviderRegistered') {
    draft.providers.write.set(id, {
      id,
      version: event.version,
      origin: event.body.origin,
      state: 'enabled',
      definition: event.body.definition,
      credentials: [],
      createdAt: event.commit,
      changedAt: event.commit,
    })
    return
  }
  if (event.type === 'ProviderRemoved') {
    draft.providers.write.delete(id)
    return
  }
  const before = draft.providers.read.get(id)
  if (before === undefined) return
  const changes = providerChanges(before, event)
  draft.providers.write.set(id, { ...before, ...changes, version: event.version, changedAt: event.commit })
}

function providerChanges(provider: Provider, event: RecordedEvent): Partial<Provider> {
  const define = (part: Partial<ProviderDefinition>): Partial<Provider> => ({
    definition: { ...provider.definition, ...part },
  })
  switch (event.type) {
    case 'ProviderRenamed':
    case 'ProviderEndpointChanged':
    case 'ProviderDialectsSet':
    case 'ProviderCapabilitiesSet':
    case 'UpstreamPricesSet':
    case 'ProviderEgressPolicySet':
    case 'ProviderRoutingSet':
    case 'ProviderTimeoutsSet':
    case 'ProviderProbeConfigured':
    case 'ProviderModelsDeclared':
      return define(event.body)
    case 'ProviderEnabled':
    case 'ProviderDrainCancelled':
      return { state: 'enabled' }
    case 'ProviderDisabled':
      return { state: 'disabled' }
    case 'ProviderDrainStarted':
      return { state: 'draining' }
    case 'CredentialAdded':
    case 'CredentialRotated':
    case 'CredentialRevoked':
      return { credentials: credentialsAfter(provider, event) }
    default:
      return {}
  }
}

function credentialsAfter(
  provider: Provider,
  event: Extract<RecordedEvent, { type: 'CredentialAdded' | 'CredentialRotated' | 'CredentialRevoked' }>,
): Provider['credentials'] {
  const others = provider.credentials.filter((credential) => credential.id !== event.body.credentialId)
  if (event.type === 'CredentialRevoked') return others
  const secret = {
    id: credentialId(event.body.credentialId),
    secretId: secretId(event.body.secretId),
    fingerprint: event.body.fingerprint,
  }
  if (event.type === 'CredentialAdded') {
    const label = event.body.label === undefined ? {} : { label: event.body.label }
    return [...others, { ...secret, ...label, weight: event.body.weight }]
  }
  return provider.credentials.map((credential) =>
    credential.id === secret.id ? { ...credential, ...secret } : credential,
  )
}

function applyModelEvent(draft: Draft, nameText: string, event: RecordedEvent): void {
  const name = modelName(nameText)
  if (event.type === 'LogicalModelCreated') {
    const { origin, targets, aliases, strategy, region } = event.body
    draft.models.write.set(name, {
      name,
      version: event.version,
      origin,
      targets: targets.map(asTarget),
      aliases: aliases.map(modelName),
      ...(strategy === undefined ? {} : { strategy }),
      ...(region === undefined ? {} : { region }),
      createdAt: event.commit,
      changedAt: event.commit,
    })
    return
  }
  if (event.type === 'LogicalModelRetired') {
    draft.models.write.delete(name)
    return
  }
  const before = draft.models.read.get(name)
  if (before === undefined) return
  const changes = modelChanges(before, event)
  draft.models.write.set(name, { ...before, ...changes, version: event.version, changedAt: event.commit })
}

function modelChanges(model: LogicalModel, event: RecordedEvent): Partial<LogicalModel> {
  switch (event.type) {
    case 'RouteTargetsSet':
      return { targets: event.body.targets.map(asTarget) }
    case 'RouteWeightsSet':
      return {
        targets: model.targets.map((target) => {
          const named = event.body.weights.find(
            (to) => to.provider === target.provider && to.model === target.model,
          )
          return named === undefined ? target : { ...target, weight: named.weight }
        }),
      }
    case 'RoutingStrategySet':
      return { strategy: event.body.strategy }
    case 'RegionPreferenceSet':
      return { region: event.body.region }
    case 'LogicalModelLimitsSet':
      return event.body
    case 'LogicalModelAliasAdded': {
      const alias = modelName(event.body.alias)
      return { aliases: [...model.aliases.filter((other) => other !== alias), alias] }
    }
    case 'LogicalModelAliasRemoved':
      return { aliases: model.aliases.filter((alias) => alias !== event.body.alias) }
    default:
      return {}
  }
}

const asTarget = (target: Readonly<Omit<RouteTarget, 'provider'> & { provider: string }>): RouteTarget => ({
  ...target,
  provider: providerId(target.provider),
})

function applyKeyEvent(draft: Draft, idText: string, event: RecordedEvent): void {
  const id = keyId(idText)
  const before = draft.keys.read.get(id)
  if (event.type === 'ClientKeyIssued' && before?.state !== 'revoked') {
    const { origin, name, digest, prefix, expiresAt } = event.body
    const place = { version: event.version, createdAt: event.commit, changedAt: event.commit }
    draft.keys.write.set(id, {
      id,
      origin,
      name,
      digest,
      prefix,
      expiresAt,
      previous: null,
      state: 'active',
      ...place,
    })
    return
  }
  if (before === undefined) return
  const changes = keyChanges(before, event)
  draft.keys.write.set(id, { ...before, ...changes, version: event.version, changedAt: event.commit })
}

function keyChanges(key: ClientKey, event: RecordedEvent): Partial<ClientKey> {
  // Revocation is final: a later event of the same stream cannot bring the key back.
  if (key.state === 'revoked') return {}
  switch (event.type) {
    case 'ClientKeyRotated': {
      const { digest, prefix, overlapUntil } = event.body
      return { digest, prefix, previous: { digest: key.digest, overlapUntil } }
    }
    case 'ClientKeyExpirySet':
      return { expiresAt: event.body.expiresAt }
    case 'ClientKeyScopesSet':
    case 'ClientKeyLimitsSet':
    case 'ClientKeyOwnerSet':
    case 'ClientKeyContextSet':
    case 'ClientKeyContentLogSet':
      return event.body
    case 'ClientKeySuspended':
      return event.body.undeclared === true
        ? { state: 'suspended', undeclared: true }
        : { state: 'suspended', ...declaredAgain(key) }
    case 'ClientKeyResumed':
      return { state: 'active', ...declaredAgain(key) }
    case 'ClientKeyRevoked':
      return { state: 'revoked', previous: null }
    default:
      return {}
  }
}

const declaredAgain = ({ undeclared }: ClientKey): Partial<ClientKey> =>
  undeclared === undefined ? {} : { undeclared: false }

function applyBudgetEvent(draft: Draft, idText: string, event: RecordedEvent): void {
  const id = budgetId(idText)
  if (event.type === 'BudgetCreated') {
    const { origin, subject, period, terms } = event.body
    const place = { version: event.version, createdAt: event.commit, changedAt: event.commit }
    draft.budgets.write.set(id, { id, origin, subject, period, terms, ...place })
    return
  }
  if (event.type === 'BudgetRemoved') {
    draft.budgets.write.delete(id)
    return
  }
  const before = draft.budgets.read.get(id)
  if (before === undefined) return
  const changes = event.type === 'BudgetTermsSet' ? { terms: event.body.terms } : {}
  draft.budgets.write.set(id, { ...before, ...changes, version: event.version, changedAt: event.commit })
}
