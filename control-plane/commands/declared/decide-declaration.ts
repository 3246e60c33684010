/**
 * Makes the declared part of the catalog what the environment and the file declare, in one commit.
 *
 * Pure. The declaration is the whole truth about what it names: what it does not say is as usual. Only
 * entities that were declared are changed or retired; what the API made is never touched, not
 * even when a declaration uses its name. What somebody disabled, drained or suspended stays so where the
 * declaration says nothing of it.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { termsOf } from '#contracts/catalog/client-key.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import type { Provider } from '#contracts/catalog/provider.ts'
import {
  clientKeyStream,
  keyId,
  modelStream,
  providerStream,
  type KeyId,
  type ModelName,
} from '#contracts/ids.ts'
import { err, ok } from '#contracts/result.ts'
import type { DeclaredState, WantedModel } from '../command.ts'
import type { Decision } from '../decide.ts'
import { issued, keyOfText, termsChanged } from '../decide-key.ts'
import {
  created,
  limitsChanged,
  regionChanged,
  strategyChanged,
  targetIssues,
  targetsChanged,
} from '../decide-model.ts'
import {
  credentialAdded,
  definitionChanges,
  misplacedDialect,
  plainEvents,
  registered,
  stateChanged,
  usersOf,
} from '../decide-provider.ts'
import { declaredBudgets, strayBudgets } from './declare-budgets.ts'
import { inStateSaidFirst } from './named-twice.ts'
import type { Issue } from '../rejection.ts'
import { usualState, type WholeState } from './unsaid.ts'

export function decideDeclaration(catalog: Catalog, said: DeclaredState): Decision {
  const declared = usualState(withKnownKeys(catalog, said))
  const lasting = [...catalog.providers.values()].filter(({ origin }) => origin === 'api').map(({ id }) => id)
  const ids = new Set([...lasting, ...declared.providers.map(({ id }) => id)])
  const issues = declared.models.flatMap(({ name, targets }, at) =>
    targetIssues(ids, targets).map(({ path, message }) => ({
      path: `models[${at}].${path}`,
      message: `${message} (model ${name})`,
    })),
  )
  issues.push(...takenNames(catalog, declared), ...misplacedDialects(declared))
  issues.push(...strayBudgets(catalog, declared))
  if (issues.length > 0) return err({ kind: 'invalid', issues })
  const retired = retiredModels(catalog, declared)
  const events = [
    ...declared.providers.flatMap((one) => providerEvents(catalog, one)),
    ...declared.models.flatMap((one) => modelEvents(catalog, one)),
    ...retired.map((name): CatalogEvent => ({
      type: 'LogicalModelRetired',
      stream: modelStream(name),
      body: {},
    })),
    ...retiredProviders(catalog, declared, new Set(retired)),
    ...keyEvents(catalog, declared),
    ...declaredBudgets(catalog, declared),
  ]
  // What a newer release wrote of an entity cannot be compared here; whoever can read it makes it so.
  return ok(events.filter(({ stream }) => !catalog.frozen.has(stream)))
}

/**
 * A key is known by its text, whatever its id: it may have been issued through the API, or given another text
 * since. One whose text was rotated away is that key still, and a new one is not made of it.
 */
export function withKnownKeys(catalog: Catalog, state: DeclaredState): DeclaredState {
  const first = new Map(state.keys.toReversed().map(({ digest, id }) => [digest, id]))
  const ids = new Map<string, KeyId>(
    state.keys.map((one) => [one.id, keyOfText(catalog, one)?.id ?? first.get(one.digest) ?? one.id]),
  )
  const idOf = (id: string): KeyId => ids.get(id) ?? keyId(id)
  return {
    ...state,
    keys: inStateSaidFirst(
      state.keys.map((one) => ({ ...one, id: idOf(one.id) })),
      ({ id }) => id,
    ),
    budgets: state.budgets.map((one) =>
      'tag' in one.subject ? one : { ...one, subject: { key: idOf(one.subject.key) } },
    ),
  }
}

/** Names that another model has, declared or made through the API. */
function takenNames(catalog: Catalog, declared: WholeState): Issue[] {
  const owners = new Map<ModelName, ModelName>()
  for (const { origin, name, aliases } of catalog.models.values()) {
    if (origin === 'api') for (const owned of [name, ...aliases]) owners.set(owned, name)
  }
  const issues: Issue[] = []
  const take = (name: ModelName, owned: ModelName, path: string): void => {
    const owner = owners.get(owned)
    if (owner !== undefined) issues.push({ path, message: `${owned} belongs to model ${owner}` })
    owners.set(owned, name)
  }
  // One that the API made under the same name is left alone, and the declared one takes nothing.
  const ours = [...declared.models.entries()].filter(
    ([, { name }]) => catalog.models.get(name)?.origin !== 'api',
  )
  for (const [at, { name }] of ours) take(name, name, `models[${at}].name`)
  for (const [at, { name, aliases }] of ours)
    for (const [index, alias] of aliases.entries()) take(name, alias, `models[${at}].aliases[${index}]`)
  return issues
}

const misplacedDialects = (declared: WholeState): Issue[] =>
  declared.providers.flatMap(({ id, definition }, at): Issue[] => {
    const index = misplacedDialect(definition)
    const path = `providers[${at}].dialects[${index}]`
    const message = `is not spoken by providers of kind ${definition.kind} (provider ${id})`
    return index === -1 ? [] : [{ path, message }]
  })

type DeclaredProvider = WholeState['providers'][number]

function providerEvents(
  catalog: Catalog,
  { id, definition, credentials, state }: DeclaredProvider,
): readonly CatalogEvent[] {
  const known = catalog.providers.get(id)
  if (known === undefined) {
    const first = registered(id, 'declared', definition, credentials)
    return [...first, ...stateChanged(id, 'enabled', state ?? 'enabled')]
  }
  if (known.origin !== 'declared') return []
  return [
    ...definitionChanges(known, definition),
    ...credentialChanges(known, credentials),
    ...stateChanged(id, known.state, state ?? known.state),
  ]
}

/** Secrets are told apart by their fingerprints: an unchanged environment changes nothing. */
function credentialChanges(
  provider: Provider,
  declared: DeclaredProvider['credentials'],
): readonly CatalogEvent[] {
  const has = (list: readonly Readonly<{ fingerprint: string }>[], fingerprint: string): boolean =>
    list.some((credential) => credential.fingerprint === fingerprint)
  const added = declared.filter(({ fingerprint }) => !has(provider.credentials, fingerprint))
  const gone = provider.credentials.filter(({ fingerprint }) => !has(declared, fingerprint))
  return [
    ...added.map((credential) => credentialAdded(provider.id, credential)),
    ...gone.map(({ id }): CatalogEvent => ({
      type: 'CredentialRevoked',
      stream: providerStream(provider.id),
      body: { credentialId: id },
    })),
  ]
}

function modelEvents(catalog: Catalog, wanted: WantedModel): readonly CatalogEvent[] {
  const { name, targets, aliases, strategy, region, limits } = wanted
  const known = catalog.models.get(name)
  if (known === undefined) return created('declared', wanted)
  if (known.origin !== 'declared') return []
  const stream = modelStream(name)
  return [
    ...targetsChanged(known, targets),
    ...strategyChanged(known, strategy ?? 'balanced'),
    ...regionChanged(known, region),
    ...limitsChanged(known, limits ?? {}),
    ...aliases
      .filter((alias) => !known.aliases.includes(alias))
      .map((alias): CatalogEvent => ({ type: 'LogicalModelAliasAdded', stream, body: { alias } })),
    ...known.aliases
      .filter((alias) => !aliases.includes(alias))
      .map((alias): CatalogEvent => ({ type: 'LogicalModelAliasRemoved', stream, body: { alias } })),
  ]
}

function retiredModels(catalog: Catalog, declared: WholeState): readonly ModelName[] {
  const names = new Set(declared.models.map(({ name }) => name))
  return [...catalog.models.values()]
    .filter(({ name, origin }) => origin === 'declared' && !names.has(name))
    .map(({ name }) => name)
}

/** A provider that a remaining model still names is only disabled: removing it would break the model. */
function retiredProviders(
  catalog: Catalog,
  declared: WholeState,
  retired: ReadonlySet<ModelName>,
): readonly CatalogEvent[] {
  const ids = new Set(declared.providers.map(({ id }) => id))
  const replaced = new Set(declared.models.map(({ name }) => name))
  const models = new Map([...catalog.models].filter(([name]) => !retired.has(name) && !isDeclared(name)))
  return [...catalog.providers.values()]
    .filter(({ id, origin }) => origin === 'declared' && !ids.has(id))
    .flatMap(({ id, state }): CatalogEvent[] => {
      const event = plainEvents(id)
      if (usersOf({ ...catalog, models }, id).length === 0) return [event('ProviderRemoved')]
      return state === 'disabled' ? [] : [event('ProviderDisabled')]
    })

  // A declared model names only providers that exist after this commit, whatever it named before.
  function isDeclared(name: ModelName): boolean {
    return replaced.has(name) && catalog.models.get(name)?.origin === 'declared'
  }
}

/** A key that leaves the declaration only rests, so that a slip in a file can be mended by the file. */
function keyEvents(catalog: Catalog, declared: WholeState): readonly CatalogEvent[] {
  const ids = new Set(declared.keys.map(({ id }) => id))
  const gone = [...catalog.keys.values()]
    .filter(({ id, origin, state }) => origin === 'declared' && state === 'active' && !ids.has(id))
    .map(({ id }): CatalogEvent => ({
      type: 'ClientKeySuspended',
      stream: clientKeyStream(id),
      body: { undeclared: true },
    }))
  return [...declared.keys.flatMap((wanted) => declaredKey(catalog, wanted)), ...gone]
}

/** One that somebody revoked stays so, and one that somebody suspended where nothing is said of that. */
function declaredKey(catalog: Catalog, wanted: WholeState['keys'][number]): readonly CatalogEvent[] {
  const known = catalog.keys.get(wanted.id)
  const stream = clientKeyStream(wanted.id)
  const suspended: CatalogEvent = { type: 'ClientKeySuspended', stream, body: {} }
  if (known === undefined) {
    const first = issued('declared', { ...wanted, expiresAt: wanted.expiresAt ?? null })
    return wanted.state === 'suspended' ? [...first, suspended] : first
  }
  if (known.origin !== 'declared' || known.state === 'revoked') return []
  const isOnlyUndeclared = known.undeclared === true
  const state = wanted.state ?? (isOnlyUndeclared ? 'active' : known.state)
  const rest: CatalogEvent[] = []
  if (state === 'suspended' && (known.state === 'active' || isOnlyUndeclared)) rest.push(suspended)
  if (state === 'active' && known.state === 'suspended')
    rest.push({ type: 'ClientKeyResumed', stream, body: {} })
  const { expiresAt = known.expiresAt } = wanted
  const expiry: readonly CatalogEvent[] =
    expiresAt === known.expiresAt ? [] : [{ type: 'ClientKeyExpirySet', stream, body: { expiresAt } }]
  return [...rest, ...expiry, ...termsChanged(wanted.id, termsOf(known), wanted.terms)]
}
