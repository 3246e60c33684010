/**
 * Every event the log can hold today: its type, its stream and the schema of its body.
 *
 * Pure. Events are past tense and never edited. A new optional field keeps the version; a changed meaning
 * is a new type; a changed shape raises the version and adds an upcaster (`upcast.ts`).
 */
import { z } from 'zod'
import type { StreamId } from '../ids.ts'
import { budgetEvents } from './money/budget.ts'
import { clientKeyEvents } from './client-key.ts'
import { modelEvents } from './model.ts'
import { providerEvents } from './provider.ts'

const systemEvents = {
  /** First event of every log. `keyCheck` tells a wrong master key before it can do harm. */
  GenesisCreated: z.strictObject({ logId: z.string().min(1).max(64), keyCheck: z.string().min(1).max(64) }),
  /** The stream on the bus starts over under a new name: what it held no longer agrees with the log. */
  EpochAdvanced: z.strictObject({ epoch: z.int().min(2) }),
  /** From here on only who folds at least like this may follow: an older release stays at the commit before. */
  SchemaFloorRaised: z.strictObject({ minFold: z.int().min(1) }),
}

const eventSchemas = {
  ...systemEvents,
  ...providerEvents,
  ...modelEvents,
  ...clientKeyEvents,
  ...budgetEvents,
}
type EventSchemas = typeof eventSchemas

export type EventType = keyof EventSchemas
export const EVENT_TYPES: readonly EventType[] = Object.keys(eventSchemas).filter(isEventType)

/** Take a right away, or may: whoever acknowledges one has it on its disk, and does not forget it by restarting. */
export const REVOCATIONS: ReadonlySet<string> = new Set<EventType>([
  'ClientKeyRevoked',
  'ClientKeySuspended',
  'ClientKeyRotated',
  'ClientKeyExpirySet',
  'ClientKeyScopesSet',
  'ClientKeyLimitsSet',
  'ClientKeyContextSet',
  'ClientKeyContentLogSet',
  // By its tags a key is paid from other budgets.
  'ClientKeyOwnerSet',
  'BudgetCreated',
  'BudgetTermsSet',
  'LogicalModelLimitsSet',
  'CredentialRevoked',
  'ProviderDisabled',
  'ProviderEgressPolicySet',
  'ProviderRemoved',
])

/** Schema version written today. Raise one here together with its upcaster and golden file. */
const CURRENT_VERSIONS: Partial<Record<EventType, number>> = {}
export const currentVersion = (type: EventType): number => CURRENT_VERSIONS[type] ?? 1

/** What `decide` produces: a fact about one stream, not yet placed in the log. */
export type CatalogEvent = {
  [Type in EventType]: Readonly<{ type: Type; stream: StreamId; body: Readonly<z.infer<EventSchemas[Type]>> }>
}[EventType]

/** An event with its place. `version` counts within the stream, from 1. */
export type RecordedEvent = CatalogEvent & Readonly<{ version: number; commit: number }>

/** An event this build cannot read: of a later release, or damaged. Its entity freezes, the log goes on. */
export type UnreadableEvent = Readonly<{
  type: 'unreadable'
  stream: StreamId
  version: number
  commit: number
  /** The type as written, and why it could not be read. */
  was: string
  reason: string
}>

export function isEventType(text: string): text is EventType {
  return Object.hasOwn(eventSchemas, text)
}

/** @returns the typed body, or the path and reason of the first problem. */
export function parseEventBody(type: EventType, body: unknown): z.ZodSafeParseResult<unknown> {
  return eventSchemas[type].safeParse(body)
}
