/**
 * How much of a budget a node may have: the arithmetic of leases.
 *
 * Pure. What is in the books and what is out on lease never exceed the amount when something is granted. A
 * lease counts with what was granted on it and is not in the books yet: as records come in, money moves from one
 * to the other, and the sum stays.
 */
import type { Holding } from '#contracts/fleet/leases.ts'

/** Money in billionths of a US dollar, times in epoch milliseconds. */
export type Lease = Readonly<{
  id: string
  /** How far this run of the node may go, from its beginning. */
  granted: number
  /** Costs of records that name it, as the books have them. */
  booked: number
  seq: number
  expiresAt: number
  /** Since when a later run of the node says that all records of this one are on the bus; null: none has. */
  drainedAt: number | null
}>

/** What is known of time when leases are judged. */
export type Moment = Readonly<{
  now: number
  /** When the way into the books was last seen empty. */
  emptiedAt: number
}>

export type Account = Readonly<{
  amount: number
  /** In the books. */
  spent: number
  leases: readonly Lease[]
}>

/** The bus gives a message to somebody else after half a minute: whatever was under way then is in by now. */
export const REDELIVERY_MS = 35_000
/** A node that was not heard of for so long after its lease ended has no records left to tell. */
export const GONE_MS = 86_400_000

/** Nothing can be spent on it any more, and everything that was is in the books. */
const isOver = ({ expiresAt, drainedAt }: Lease, { now, emptiedAt }: Moment): boolean =>
  (drainedAt !== null && emptiedAt >= drainedAt + REDELIVERY_MS) || now >= expiresAt + GONE_MS

/** What may have been spent on a lease, or still may, and is not in the books. */
export const outstandingOf = (lease: Lease, moment: Moment): number =>
  isOver(lease, moment) ? 0 : Math.max(0, lease.granted - lease.booked)

export const leasedOf = (leases: readonly Lease[], moment: Moment): number =>
  leases.reduce((sum, lease) => sum + outstandingOf(lease, moment), 0)

export type Decided = Readonly<{ granted: number; free: number; elsewhere: number }>

/**
 * @param own id of the lease that is asked for.
 * @param nodes that are alive: none takes all that is left, unless it needs it now.
 */
export function decideGrant(
  { amount, spent, leases }: Account,
  own: string,
  ask: Holding,
  nodes: number,
  moment: Moment,
): Decided {
  const lease = leases.find(({ id }) => id === own)
  const elsewhere = leasedOf(
    leases.filter((one) => one !== lease),
    moment,
  )
  const booked = lease?.booked ?? 0
  // One that was given up for lost has nothing any more: whoever comes back begins from what was spent.
  const before = lease === undefined || isOver(lease, moment) ? 0 : lease.granted
  const free = (granted: number): number =>
    Math.max(0, amount - spent - elsewhere - Math.max(0, granted - booked))
  // What was spent is a fact, whether or not it was granted.
  const held = Math.max(Math.min(before, ask.ceiling), ask.spent)
  const most = Math.max(ask.need - held, Math.floor(free(held) / (2 * Math.max(1, nodes))))
  const more = Math.max(0, Math.min(ask.ceiling - held, most, free(held)))
  // What no request fits in is left to others.
  const granted = held + more < ask.least ? held : held + more
  return { granted, free: free(granted), elsewhere }
}
