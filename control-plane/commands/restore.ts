/**
 * The events that make an entity what it was.
 *
 * Pure. An entity's content is all of it but its place in the log (version, commits): that only goes forward.
 * What is absent and what is set to its default mean the same, so they are the same content.
 */
import { canonical, type Json } from '#contracts/canonical.ts'
import type { Budget } from '#contracts/catalog/money/budget.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { termsOf, type ClientKey } from '#contracts/catalog/client-key.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import type { LogicalModel } from '#contracts/catalog/model.ts'
import type { Credential, Provider } from '#contracts/catalog/provider.ts'
import { sha256Hex } from '#contracts/commit/hash.ts'
import {
  budgetId,
  budgetStream,
  clientKeyStream,
  keyId,
  modelName,
  modelStream,
  providerId,
  providerStream,
  splitStream,
  type StreamId,
} from '#contracts/ids.ts'
import { budgetCreated, budgetTermsChanged } from './money/decide-budget.ts'
import { termsChanged } from './decide-key.ts'
import { created, limitsChanged, regionChanged, strategyChanged, targetsChanged } from './decide-model.ts'
import { definitionChanges, plainEvents, stateChanged } from './decide-provider.ts'

/** An entity as it is or should be again; null: not there. */
export type Content =
  | Readonly<{ kind: 'provider'; stream: StreamId; entity: Provider | null }>
  | Readonly<{ kind: 'model'; stream: StreamId; entity: LogicalModel | null }>
  | Readonly<{ kind: 'clientkey'; stream: StreamId; entity: ClientKey | null }>
  | Readonly<{ kind: 'budget'; stream: StreamId; entity: Budget | null }>

/** @returns what a stream is about, as a catalog has it; undefined: it is about no entity. */
export function entityAt(catalog: Catalog, stream: StreamId): Content | undefined {
  const [kind, id] = splitStream(stream)
  if (kind === 'provider') return { kind, stream, entity: catalog.providers.get(providerId(id)) ?? null }
  if (kind === 'model') return { kind, stream, entity: catalog.models.get(modelName(id)) ?? null }
  if (kind === 'clientkey') return { kind, stream, entity: catalog.keys.get(keyId(id)) ?? null }
  if (kind === 'budget') return { kind, stream, entity: catalog.budgets.get(budgetId(id)) ?? null }
  return undefined
}

/** @returns the digest of an entity's content; of one that is not there, of null. */
export function contentDigest(wanted: Content): string {
  return sha256Hex(canonical(contentOf(wanted)))
}

function contentOf(wanted: Content): Json {
  if (wanted.entity === null) return null
  const { version: _v, createdAt: _c, changedAt: _a, ...content } = wanted.entity
  if (wanted.kind === 'provider') {
    const { definition } = wanted.entity
    const { dialects = [], capabilities = [], prices = [] } = definition
    return { ...content, definition: { ...definition, dialects, capabilities, prices } }
  }
  if (wanted.kind === 'model') {
    const { strategy = 'balanced', region = null, limits = {} } = wanted.entity
    return { ...content, strategy, region, limits }
  }
  if (wanted.kind === 'budget') return content
  // A revoked key is as gone as a key can be. An overlap that ended before time began was none.
  if (wanted.entity.state === 'revoked') return null
  const { previous, undeclared = false } = wanted.entity
  const terms = termsOf(wanted.entity)
  return { ...content, ...terms, undeclared, previous: previous?.overlapUntil === 0 ? null : previous }
}

/** @returns events that lead from one content to another of the same stream. */
export function restoring(now: Content, wanted: Content): readonly CatalogEvent[] {
  if (contentDigest(now) === contentDigest(wanted)) return []
  if (now.kind === 'provider' && wanted.kind === 'provider') return restoreProvider(now.entity, wanted.entity)
  if (now.kind === 'model' && wanted.kind === 'model') return restoreModel(now.entity, wanted.entity)
  if (now.kind === 'clientkey' && wanted.kind === 'clientkey') return restoreKey(now.entity, wanted.entity)
  if (now.kind === 'budget' && wanted.kind === 'budget') return restoreBudget(now.entity, wanted.entity)
  return []
}

function restoreProvider(now: Provider | null, wanted: Provider | null): readonly CatalogEvent[] {
  if (wanted === null) return now === null ? [] : [plainEvents(now.id)('ProviderRemoved')]
  const stream = providerStream(wanted.id)
  const { origin, definition } = wanted
  // What cannot be changed of a provider that is there: it is made anew, in the same commit.
  if (now === null || now.origin !== origin) {
    return [
      { type: 'ProviderRegistered', stream, body: { origin, definition } },
      ...credentialsRestored(stream, [], wanted.credentials),
      ...stateChanged(wanted.id, 'enabled', wanted.state),
    ]
  }
  return [
    ...definitionChanges(now, definition),
    ...credentialsRestored(stream, now.credentials, wanted.credentials),
    ...stateChanged(wanted.id, now.state, wanted.state),
  ]
}

/**
 * A credential that is added again takes the last place, so from the first that differs on all are added
 * again: their order is part of what was.
 */
function credentialsRestored(
  stream: StreamId,
  now: readonly Credential[],
  wanted: readonly Credential[],
): readonly CatalogEvent[] {
  const gone = now.filter(({ id }) => !wanted.some((one) => one.id === id))
  const left = now.filter((one) => !gone.includes(one))
  const differs = wanted.findIndex((one, at) => canonical(one) !== canonical(left[at] ?? null))
  const again = differs === -1 ? [] : wanted.slice(differs)
  return [
    ...gone.map(({ id }): CatalogEvent => ({
      type: 'CredentialRevoked',
      stream,
      body: { credentialId: id },
    })),
    ...again.map(({ id, secretId, fingerprint, label, weight }): CatalogEvent => {
      const named = label === undefined ? {} : { label }
      return {
        type: 'CredentialAdded',
        stream,
        body: { credentialId: id, secretId, fingerprint, weight, ...named },
      }
    }),
  ]
}

function restoreModel(now: LogicalModel | null, wanted: LogicalModel | null): readonly CatalogEvent[] {
  if (wanted === null) {
    if (now === null) return []
    return [{ type: 'LogicalModelRetired', stream: modelStream(now.name), body: {} }]
  }
  const { name, origin, targets, aliases, strategy = null, region = null, limits = null } = wanted
  if (now === null || now.origin !== origin)
    return created(origin, { name, targets, aliases, strategy, region, limits })
  const stream = modelStream(name)
  const differs = aliases.findIndex((alias, at) => alias !== now.aliases[at])
  const again = differs === -1 ? [] : aliases.slice(differs)
  return [
    ...targetsChanged(now, targets),
    ...strategyChanged(now, strategy ?? 'balanced'),
    ...regionChanged(now, region),
    ...limitsChanged(now, limits ?? {}),
    ...now.aliases
      .filter((alias) => !aliases.includes(alias))
      .map((alias): CatalogEvent => ({ type: 'LogicalModelAliasRemoved', stream, body: { alias } })),
    // Added again, an alias takes the last place.
    ...again.map((alias): CatalogEvent => ({ type: 'LogicalModelAliasAdded', stream, body: { alias } })),
  ]
}

/** Of a revoked key nothing: that is final, and the caller is told by what still differs. */
function restoreKey(now: ClientKey | null, wanted: ClientKey | null): readonly CatalogEvent[] {
  if (now === null || now.state === 'revoked') return []
  const stream = clientKeyStream(now.id)
  if (wanted === null || wanted.state === 'revoked') return [{ type: 'ClientKeyRevoked', stream, body: {} }]
  const events: CatalogEvent[] = [...rotationRestored(stream, now, wanted)]
  if (now.expiresAt !== wanted.expiresAt)
    events.push({ type: 'ClientKeyExpirySet', stream, body: { expiresAt: wanted.expiresAt } })
  events.push(...termsChanged(now.id, termsOf(now), termsOf(wanted)), ...restState(stream, now, wanted))
  return events
}

function restState(stream: StreamId, now: ClientKey, wanted: ClientKey): readonly CatalogEvent[] {
  const isUndeclared = wanted.undeclared === true
  if (now.state === wanted.state && (now.undeclared === true) === isUndeclared) return []
  if (wanted.state === 'active') return [{ type: 'ClientKeyResumed', stream, body: {} }]
  return [{ type: 'ClientKeySuspended', stream, body: isUndeclared ? { undeclared: true } : {} }]
}

/** Rotated back. The key that was honoured beside it, if there was one, is first made the current one. */
function rotationRestored(stream: StreamId, now: ClientKey, wanted: ClientKey): readonly CatalogEvent[] {
  const { digest, prefix, previous } = wanted
  if (now.digest === digest && canonical(now.previous) === canonical(previous)) return []
  const rotated = (to: string, overlapUntil: number): CatalogEvent => ({
    type: 'ClientKeyRotated',
    stream,
    body: { digest: to, prefix, overlapUntil },
  })
  if (previous === null) return [rotated(digest, 0)]
  const before = now.digest === previous.digest ? [] : [rotated(previous.digest, 0)]
  return [...before, rotated(digest, previous.overlapUntil)]
}

function restoreBudget(now: Budget | null, wanted: Budget | null): readonly CatalogEvent[] {
  if (wanted === null)
    return now === null ? [] : [{ type: 'BudgetRemoved', stream: budgetStream(now.id), body: {} }]
  const { origin, subject, period } = wanted
  const isSame =
    now !== null && canonical([now.origin, now.subject, now.period]) === canonical([origin, subject, period])
  return isSame ? budgetTermsChanged(now, wanted.terms) : [budgetCreated(origin, wanted)]
}
