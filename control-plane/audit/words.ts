/**
 * Events as sentences.
 *
 * Pure. A type without a sentence does not compile.
 */
import type { CatalogEvent, UnreadableEvent } from '#contracts/catalog/event.ts'
import type { Limits } from '#contracts/catalog/limits.ts'
import { readEvent } from '#contracts/commit/commit.ts'
import { splitStream, type StreamId } from '#contracts/ids.ts'
import type { TrailEntry, TrailEvent } from '../store/trail.ts'
import {
  budgetTermFields,
  capabilityFields,
  definitionFields,
  keyFingerprint,
  madeBy,
  modelListFields,
  moment,
  priceFields,
  limitFields,
  logged,
  probeFields,
  routingFields,
  scopeFields,
  sentence,
  subjectWords,
  targetField,
  timeoutFields,
  type Field,
} from './fields.ts'

const NOUNS: ReadonlyMap<string, string> = new Map([
  ['provider', 'provider'],
  ['model', 'model'],
  ['clientkey', 'key'],
  ['budget', 'budget'],
])

/** @returns what a stream is about, as people call it: `provider openai`. */
export function entityName(stream: StreamId): string {
  const [kind, id] = splitStream(stream)
  const noun = NOUNS.get(kind)
  return noun === undefined ? 'the system' : `${noun} ${id}`
}

/** @returns one sentence that says what the event did, with all its values. */
export function eventWords(event: CatalogEvent | UnreadableEvent): string {
  const what = entityName(event.stream)
  if (event.type === 'unreadable') return `${what}: ${event.was}, which this release cannot read`
  return `${what} ${predicate(event)}`
}

/** @returns a sentence for each event of an entry of the trail. */
export const entryWords = ({ commitNo, events }: TrailEntry): readonly string[] =>
  events.map((event) => trailWords(event, commitNo))

export const trailWords = (event: TrailEvent, commitNo: number): string => {
  const { stream, version, type, schemaVersion, body } = event
  const wire = { i: 0, stream, sver: version, type, sv: schemaVersion, body: JSON.stringify(body) }
  return eventWords(readEvent(wire, commitNo))
}

function predicate(event: CatalogEvent): string {
  switch (event.type) {
    case 'GenesisCreated':
      return `began log ${event.body.logId}, under master key ${event.body.keyCheck}`
    case 'EpochAdvanced':
      return `began epoch ${event.body.epoch}: a new commit stream on the bus`
    case 'SchemaFloorRaised':
      return `raised the floor: only releases that fold version ${event.body.minFold} or later follow from here`
    case 'LogicalModelCreated':
    case 'RouteTargetsSet':
    case 'RouteWeightsSet':
    case 'RoutingStrategySet':
    case 'RegionPreferenceSet':
    case 'LogicalModelLimitsSet':
    case 'LogicalModelAliasAdded':
    case 'LogicalModelAliasRemoved':
    case 'LogicalModelRetired':
      return modelPredicate(event)
    case 'ClientKeyIssued':
    case 'ClientKeyRotated':
    case 'ClientKeyExpirySet':
    case 'ClientKeyScopesSet':
    case 'ClientKeyLimitsSet':
    case 'ClientKeyOwnerSet':
    case 'ClientKeyContextSet':
    case 'ClientKeyContentLogSet':
    case 'ClientKeySuspended':
    case 'ClientKeyResumed':
    case 'ClientKeyRevoked':
      return keyPredicate(event)
    case 'BudgetCreated':
    case 'BudgetTermsSet':
    case 'BudgetRemoved':
      return budgetPredicate(event)
    default:
      return providerPredicate(event)
  }
}

type Of<Prefix extends string> = Extract<CatalogEvent, { type: `${Prefix}${string}` }>

function providerPredicate(event: Of<'Provider' | 'Credential' | 'Upstream'>): string {
  switch (event.type) {
    case 'ProviderRegistered':
      return `was registered ${madeBy(event.body.origin)}: ${sentence(definitionFields(event.body.definition))}`
    case 'ProviderRenamed':
      return `is now named ${event.body.name}`
    case 'ProviderEndpointChanged':
      return `is now at ${event.body.baseUrl}, of kind ${event.body.kind}`
    case 'ProviderDialectsSet':
      return `speaks ${event.body.dialects.join(', ') || 'what its kind and host are known for'}`
    case 'ProviderCapabilitiesSet':
      return `takes, by the operator's word: ${sentence(capabilityFields(event.body.capabilities)) || 'nothing in particular'}`
    case 'UpstreamPricesSet':
      return `costs, by the operator's word: ${sentence(priceFields(event.body.prices)) || 'what is publicly known'}`
    case 'ProviderEgressPolicySet':
      return event.body.allowPrivate
        ? 'may live at a private address'
        : 'may not live at a private address any more'
    case 'ProviderRoutingSet':
      return `is routed to with ${sentence(routingFields(event.body.routing))}`
    case 'ProviderTimeoutsSet':
      return `has deadlines: ${sentence(timeoutFields(event.body.timeouts))}`
    case 'ProviderProbeConfigured':
      return `is probed so: ${sentence(probeFields(event.body.probe))}`
    case 'ProviderModelsDeclared':
      return `has models: ${sentence(modelListFields(event.body.models))}`
    case 'ProviderEnabled':
      return 'was enabled'
    case 'ProviderDisabled':
      return 'was disabled'
    case 'ProviderDrainStarted':
      return 'began to drain'
    case 'ProviderDrainCancelled':
      return 'stopped draining and takes requests again'
    case 'ProviderRemoved':
      return 'was removed'
    case 'CredentialAdded': {
      const { credentialId, secretId, fingerprint, label, weight } = event.body
      const named = label === undefined ? '' : `, label ${label}`
      return `got credential ${credentialId}: fingerprint ${fingerprint}, weight ${weight}${named}, kept as ${secretId}`
    }
    case 'CredentialRotated': {
      const { credentialId, secretId, fingerprint } = event.body
      return `has another secret in credential ${credentialId}: fingerprint ${fingerprint}, kept as ${secretId}`
    }
    case 'CredentialRevoked':
      return `lost credential ${event.body.credentialId}`
    default:
      return event satisfies never
  }
}

function modelPredicate(event: Of<'LogicalModel' | 'Route' | 'Routing' | 'Region'>): string {
  switch (event.type) {
    case 'LogicalModelCreated': {
      const { name, origin, targets, aliases, strategy, region } = event.body
      const fields: readonly Field[] = [
        ...targets.map(targetField),
        ['aliases', aliases.length === 0 ? null : aliases.join(', ')],
        ['strategy', strategy ?? null],
        ['preferred region', region ?? null],
      ]
      return `was created ${madeBy(origin)} as ${name}: ${sentence(fields)}`
    }
    case 'RouteTargetsSet':
      return `now has ${sentence(event.body.targets.map(targetField))}`
    case 'RouteWeightsSet':
      return `has new weights: ${event.body.weights
        .map(({ provider, model, weight }) => `${provider}/${model} ${weight}`)
        .join(', ')}`
    case 'RoutingStrategySet':
      return `now follows strategy ${event.body.strategy}`
    case 'RegionPreferenceSet':
      return event.body.region === null ? 'prefers no region any more' : `prefers region ${event.body.region}`
    case 'LogicalModelLimitsSet':
      return limited(event.body.limits)
    case 'LogicalModelAliasAdded':
      return `is also called ${event.body.alias}`
    case 'LogicalModelAliasRemoved':
      return `is not called ${event.body.alias} any more`
    case 'LogicalModelRetired':
      return 'was retired'
    default:
      return event satisfies never
  }
}

function keyPredicate(event: Of<'ClientKey'>): string {
  switch (event.type) {
    case 'ClientKeyIssued': {
      const { origin, name, digest, prefix, expiresAt } = event.body
      const until = expiresAt === null ? 'never expires' : `expires ${moment(expiresAt)}`
      return `was issued ${madeBy(origin)} as ${name}: ${prefix}…, fingerprint ${keyFingerprint(digest)}, ${until}`
    }
    case 'ClientKeyRotated': {
      const { digest, prefix, overlapUntil } = event.body
      return `was replaced by ${prefix}…, fingerprint ${keyFingerprint(digest)}; the one before it works until ${moment(overlapUntil)}`
    }
    case 'ClientKeyExpirySet': {
      const { expiresAt } = event.body
      return expiresAt === null ? 'does not expire any more' : `expires ${moment(expiresAt)}`
    }
    case 'ClientKeyScopesSet':
      return `may use ${sentence(scopeFields(event.body.scopes)) || 'anything'}`
    case 'ClientKeyLimitsSet':
      return limited(event.body.limits)
    case 'ClientKeyOwnerSet': {
      const { owner, tags } = event.body
      return `belongs to ${owner ?? 'nobody'}, with ${tags.length === 0 ? 'no tags' : `tags ${tags.join(', ')}`}`
    }
    case 'ClientKeyContextSet':
      return event.body.keepContext ? 'lets its sessions be looked at' : 'keeps nothing of its sessions'
    case 'ClientKeyContentLogSet': {
      const { contentLog } = event.body
      return contentLog === null
        ? 'has nothing logged of what it says'
        : `has what it says ${logged(contentLog)}`
    }
    case 'ClientKeySuspended':
      return event.body.undeclared === true ? 'was suspended: it is not declared any more' : 'was suspended'
    case 'ClientKeyResumed':
      return 'works again'
    case 'ClientKeyRevoked':
      return 'was revoked for good'
    default:
      return event satisfies never
  }
}

function budgetPredicate(event: Of<'Budget'>): string {
  switch (event.type) {
    case 'BudgetCreated': {
      const { origin, subject, period, terms } = event.body
      return `was created ${madeBy(origin)} for ${subjectWords(subject)}, period ${period}: ${sentence(budgetTermFields(terms))}`
    }
    case 'BudgetTermsSet':
      return `now has ${sentence(budgetTermFields(event.body.terms))}`
    case 'BudgetRemoved':
      return 'was removed'
    default:
      return event satisfies never
  }
}

function limited(limits: Limits): string {
  const words = sentence(limitFields(limits))
  return words === '' ? 'is not limited any more' : `is limited to ${words}`
}
