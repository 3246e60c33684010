/**
 * Makes what the API made what a file says, in one commit.
 *
 * Pure. The same rules as for a declaration, about other entities: what the file names is made so; what it
 * does not name stays, unless everything else is to be retired. Keys are only added: revoking one is final,
 * and leaving it out of a file is not a decision to do that.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import type { Origin } from '#contracts/catalog/provider.ts'
import { clientKeyStream, modelStream, providerStream, type StreamId } from '#contracts/ids.ts'
import { err, ok } from '#contracts/result.ts'
import { isPrivateHost } from '#contracts/security/egress.ts'
import type { ConfigCommand, DeclaredState } from './command.ts'
import type { Decision } from './decide.ts'
import { decideDeclaration } from './decide-declaration.ts'
import type { Issue } from './rejection.ts'

export function decideConfig(
  catalog: Catalog,
  { state, retireOthers, expectedCommit }: ConfigCommand,
): Decision {
  if (expectedCommit !== null && expectedCommit !== catalog.commit) {
    return err({
      kind: 'conflict',
      what: 'the configuration',
      expected: expectedCommit,
      current: catalog.commit,
    })
  }
  const wanted = keepingCredentials(catalog, withoutKnownKeys(catalog, state))
  const decision = decideDeclaration(asManaged(catalog, wanted, retireOthers), wanted)
  if (!decision.ok) return decision
  const issues = [...privateAddresses(wanted), ...foreign(catalog, decision.value)]
  return issues.length > 0 ? err({ kind: 'invalid', issues }) : ok(decision.value.map(madeByApi))
}

/** The catalog with the origins that make a declaration's rules fit: `declared` is what may be changed. */
function asManaged(catalog: Catalog, wanted: DeclaredState, retireOthers: boolean): Catalog {
  const named = new Set<string>([
    ...wanted.providers.map(({ id }) => providerStream(id)),
    ...wanted.models.map(({ name }) => modelStream(name)),
  ])
  const origin = (stream: StreamId, is: Origin): Origin =>
    named.has(stream) || (retireOthers && is === 'api') ? 'declared' : 'api'
  return {
    ...catalog,
    providers: mapValues(catalog.providers, (one) => ({
      ...one,
      origin: origin(providerStream(one.id), one.origin),
    })),
    models: mapValues(catalog.models, (one) => ({
      ...one,
      origin: origin(modelStream(one.name), one.origin),
    })),
    keys: mapValues(catalog.keys, (one) => ({ ...one, origin: 'api' as const })),
  }
}

const mapValues = <Key, Value>(
  map: ReadonlyMap<Key, Value>,
  change: (value: Value) => Value,
): ReadonlyMap<Key, Value> => new Map([...map].map(([key, value]) => [key, change(value)]))

/** A provider for which the file names no credential keeps those it has: files are kept without secrets. */
function keepingCredentials(catalog: Catalog, state: DeclaredState): DeclaredState {
  const providers = state.providers.map((one) => {
    if (one.credentials.length > 0) return one
    const known = catalog.providers.get(one.id)?.credentials ?? []
    return { ...one, credentials: known.map(({ label, ...rest }) => ({ ...rest, label: label ?? null })) }
  })
  return { ...state, providers }
}

/** A key that is known under another id, because the API issued it, is not issued twice. */
function withoutKnownKeys(catalog: Catalog, state: DeclaredState): DeclaredState {
  const known = new Set([...catalog.keys.values()].map(({ digest }) => digest))
  return { ...state, keys: state.keys.filter(({ digest }) => !known.has(digest)) }
}

const privateAddresses = ({ providers }: DeclaredState): Issue[] =>
  providers.flatMap(({ id, definition: { baseUrl, allowPrivate } }): Issue[] =>
    allowPrivate || !isPrivateHost(new URL(baseUrl).hostname)
      ? []
      : [
          {
            path: `providers.${id}.baseUrl`,
            message: 'is a loopback, private or reserved address; set allowPrivate to permit it',
          },
        ],
  )

/** What the environment or the file of the process declares would be set back at its next start. */
function foreign(catalog: Catalog, events: readonly CatalogEvent[]): Issue[] {
  const declared = new Map<StreamId, string>([
    ...[...catalog.providers.values()].flatMap(({ id, origin }) =>
      origin === 'declared' ? [[providerStream(id), `providers.${id}`] as const] : [],
    ),
    ...[...catalog.models.values()].flatMap(({ name, origin }) =>
      origin === 'declared' ? [[modelStream(name), `models.${name}`] as const] : [],
    ),
    ...[...catalog.keys.values()].flatMap(({ id, origin }) =>
      origin === 'declared' ? [[clientKeyStream(id), `keys.${id}`] as const] : [],
    ),
  ])
  const paths = new Set(events.flatMap(({ stream }) => declared.get(stream) ?? []))
  return [...paths].map((path) => ({
    path,
    message: 'is declared by the environment or the file of the control plane; change it there',
  }))
}

function madeByApi(event: CatalogEvent): CatalogEvent {
  switch (event.type) {
    case 'ProviderRegistered':
      return { ...event, body: { ...event.body, origin: 'api' } }
    case 'LogicalModelCreated':
      return { ...event, body: { ...event.body, origin: 'api' } }
    case 'ClientKeyIssued':
      return { ...event, body: { ...event.body, origin: 'api' } }
    default:
      return event
  }
}
