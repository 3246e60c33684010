/**
 * Makes what the API made what a file says, in one commit.
 *
 * Pure. The same rules as for a declaration, about other entities, and what the file does not say of one stays
 * as it is. What it does not name stays, unless everything else is to be retired. Keys are never taken away:
 * revoking one is final, and leaving it out of a file is not a decision to do that.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { Budget } from '#contracts/catalog/money/budget.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import type { Origin } from '#contracts/catalog/provider.ts'
import {
  budgetStream,
  clientKeyStream,
  keyId,
  modelStream,
  providerStream,
  type StreamId,
} from '#contracts/ids.ts'
import { err, ok } from '#contracts/result.ts'
import { isPrivateHost } from '#contracts/security/egress.ts'
import type { ConfigCommand, DeclaredState } from '../command.ts'
import type { Decision } from '../decide.ts'
import { decideDeclaration, withKnownKeys } from './decide-declaration.ts'
import { keyOfText } from '../decide-key.ts'
import type { Issue } from '../rejection.ts'
import { wholeState, type WholeState } from './unsaid.ts'

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
  const rotated = rotatedAway(catalog, state)
  if (rotated.length > 0) return err({ kind: 'invalid', issues: rotated })
  const wanted = wholeState(catalog, withKnownKeys(catalog, state))
  const decision = decideDeclaration(asManaged(catalog, wanted, retireOthers), wanted)
  if (!decision.ok) return decision
  const issues = [...privateAddresses(wanted), ...foreign(catalog, decision.value)]
  return issues.length > 0 ? err({ kind: 'invalid', issues }) : ok(decision.value.map(madeByApi))
}

/** The catalog with the origins that make a declaration's rules fit: `declared` is what may be changed. */
function asManaged(catalog: Catalog, wanted: WholeState, retireOthers: boolean): Catalog {
  const named = new Set<string>([
    ...wanted.providers.map(({ id }) => providerStream(id)),
    ...wanted.models.map(({ name }) => modelStream(name)),
    ...wanted.keys.map(({ id }) => clientKeyStream(id)),
    ...wanted.budgets.map(({ id }) => budgetStream(id)),
  ])
  const states = new Map(wanted.keys.map(({ id, state }) => [id, state]))
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
    // None is suspended because this file does not name it, nor works again because it does: that must be said.
    keys: mapValues(catalog.keys, (one) => {
      const isAsDeclared = one.undeclared === true && states.get(one.id) !== 'active'
      return { ...one, origin: named.has(clientKeyStream(one.id)) && !isAsDeclared ? 'declared' : 'api' }
    }),
    budgets: mapValues(catalog.budgets, (one) => {
      const stream = budgetStream(one.id)
      const isSpared = !named.has(stream) && isOfGoneKey(catalog, one)
      return { ...one, origin: isSpared ? 'api' : origin(stream, one.origin) }
    }),
  }
}

/** No file can name it: a key that is gone is in none. */
function isOfGoneKey({ keys }: Catalog, { subject }: Budget): boolean {
  if ('tag' in subject) return false
  const key = keys.get(keyId(subject.key))
  return key === undefined || key.state === 'revoked'
}

const mapValues = <Key, Value>(
  map: ReadonlyMap<Key, Value>,
  change: (value: Value) => Value,
): ReadonlyMap<Key, Value> => new Map([...map].map(([key, value]) => [key, change(value)]))

/** Whoever rotated a key wanted its former text to open nothing any more. */
const rotatedAway = (catalog: Catalog, { keys }: DeclaredState): Issue[] =>
  keys.flatMap((wanted, at): Issue[] => {
    const known = keyOfText(catalog, wanted)
    if (known === undefined || known.digest === wanted.digest) return []
    const message = `is a former text of key ${known.id} and was rotated away; write its present one, or leave the key out`
    return [{ path: `keys[${at}].key`, message }]
  })

const privateAddresses = ({ providers }: WholeState): Issue[] =>
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

/**
 * What the environment or the file of the process declares would be set back at its next start. Not what was stopped
 * or started again: anybody may do that to what is declared.
 */
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
    ...[...catalog.budgets.values()].flatMap(({ id, origin }) =>
      origin === 'declared' ? [[budgetStream(id), `budgets.${id}`] as const] : [],
    ),
  ])
  const lasting = events.filter(({ type }) => !STOPS_AND_STARTS.has(type))
  const paths = new Set(lasting.flatMap(({ stream }) => declared.get(stream) ?? []))
  return [...paths].map((path) => ({
    path,
    message: 'is declared by the environment or the file of the control plane; change it there',
  }))
}

const STOPS_AND_STARTS: ReadonlySet<CatalogEvent['type']> = new Set([
  'ProviderEnabled',
  'ProviderDisabled',
  'ProviderDrainStarted',
  'ProviderDrainCancelled',
  'ClientKeySuspended',
  'ClientKeyResumed',
])

function madeByApi(event: CatalogEvent): CatalogEvent {
  switch (event.type) {
    case 'ProviderRegistered':
      return { ...event, body: { ...event.body, origin: 'api' } }
    case 'LogicalModelCreated':
      return { ...event, body: { ...event.body, origin: 'api' } }
    case 'ClientKeyIssued':
      return { ...event, body: { ...event.body, origin: 'api' } }
    case 'BudgetCreated':
      return { ...event, body: { ...event.body, origin: 'api' } }
    default:
      return event
  }
}
