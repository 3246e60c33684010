/**
 * The commit: the unit of everything. One admin command is one Postgres transaction, one gapless number,
 * one message on the bus, one link of the hash chain and one acknowledgement value.
 *
 * Pure. `encodeCommit` and `decodeCommit` are the wire form, a canonical JSON text. Event bodies travel as
 * texts inside it: what was hashed is what is read, byte for byte.
 */
import { z } from 'zod'
import { canonical } from '../canonical.ts'
import {
  currentVersion,
  isEventType,
  parseEventBody,
  type CatalogEvent,
  type RecordedEvent,
  type UnreadableEvent,
} from '../catalog/event.ts'
import { upcast } from '../catalog/upcast.ts'
import { streamId } from '../ids.ts'
import { err, ok, type Result } from '../result.ts'

/** One tenant and one kind of rollout today; the wire has the fields so that a later release need not break it. */
export const TENANT = 'default'
export const GUARD = 'immediate'

/** 512 KiB: half of the bus's default message limit of 1 MiB, room for the envelope. */
export const MAX_COMMIT_BYTES = 512 * 1024

const hex64 = z.string().regex(/^[0-9a-f]{64}$/)

const WireEvent = z.strictObject({
  i: z.int().min(0),
  stream: z.string().min(1).max(300),
  /** Version within the stream. */
  sver: z.int().min(1),
  type: z.string().min(1).max(100),
  /** Schema version the body was written at. */
  sv: z.int().min(1),
  /** Canonical JSON text. */
  body: z.string(),
})
export type WireEvent = Readonly<z.infer<typeof WireEvent>>

const WireCommit = z.strictObject({
  v: z.literal(1),
  epoch: z.int().min(1),
  commit: z.int().min(1),
  prev: hex64,
  chain: hex64,
  /** Leaf 0 covers who did it and why (not sent to nodes); leaf i+1 covers event i. */
  leaves: z.array(hex64).min(1),
  /** Epoch milliseconds by the control plane's clock. For people; order never uses it. */
  at: z.int().nonnegative(),
  tenant: z.string(),
  guard: z.string(),
  events: z.array(WireEvent),
})
/** The commit as it travels: everything a reader needs to verify it. */
export type WireCommit = Readonly<Omit<z.infer<typeof WireCommit>, 'events' | 'leaves'>> &
  Readonly<{ events: readonly WireEvent[]; leaves: readonly string[] }>

/** The commit as the fold reads it. */
export type Commit = Readonly<{
  commit: number
  epoch: number
  at: number
  chain: string
  events: readonly (RecordedEvent | UnreadableEvent)[]
}>

export function encodeCommit(commit: WireCommit): string {
  return canonical(commit)
}

/** @returns the commit, or what is wrong with the bytes. Does not verify hashes: see `chain.ts`. */
export function decodeCommit(text: string): Result<WireCommit, string> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return err('not JSON')
  }
  const parsed = WireCommit.safeParse(value)
  return parsed.success ? ok(parsed.data) : err(describe(parsed.error))
}

/** Turns a verified commit into events. Total: what cannot be read becomes an `unreadable` event. */
export function readCommit(wire: WireCommit): Commit {
  const events = wire.events.map((event) => readEvent(event, wire.commit))
  return { commit: wire.commit, epoch: wire.epoch, at: wire.at, chain: wire.chain, events }
}

/** @returns the fold version below which nobody may go beyond the commit before this one; 0: anybody may. */
export const floorIn = ({ events }: Commit): number =>
  events.reduce(
    (floor, event) => (event.type === 'SchemaFloorRaised' ? Math.max(floor, event.body.minFold) : floor),
    0,
  )

export function readEvent(wire: WireEvent, commit: number): RecordedEvent | UnreadableEvent {
  const place = { stream: streamId(wire.stream), version: wire.sver, commit }
  const unreadable = (reason: string): UnreadableEvent => ({
    type: 'unreadable',
    ...place,
    was: wire.type,
    reason,
  })

  if (!isEventType(wire.type)) return unreadable('a type this build does not know')
  let body: unknown
  try {
    body = JSON.parse(wire.body)
  } catch {
    return unreadable('a body that is not JSON')
  }
  const lifted = upcast({ type: wire.type, version: wire.sv, body }, currentVersion(wire.type))
  if (!lifted.ok) return unreadable(lifted.error)
  const parsed = parseEventBody(wire.type, lifted.value)
  if (!parsed.success) return unreadable(describe(parsed.error))
  // The schema of this very type accepted the body; TypeScript cannot join the two unions.
  return { ...({ type: wire.type, stream: place.stream, body: parsed.data } as CatalogEvent), ...place }
}

function describe(error: z.ZodError): string {
  const issue = error.issues[0]
  return issue === undefined ? 'not understood' : `${issue.path.join('.') || '(root)'}: ${issue.message}`
}
