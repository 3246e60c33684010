/**
 * Leases of money: what nodes may spend of budgets without asking for each request.
 *
 * A node holds one lease a budget and period in each of its runs. It says how far it wants to go (`ceiling`)
 * and is told how far it may (`granted`), both counted from the beginning of that run and period. Before it
 * asks for less than it has, it holds itself to that: whatever becomes of question and answer, no node believes
 * to have more than the control plane knows of. See decisions/0013.
 */
import { z } from 'zod'

/** A node may begin requests on a lease for so long after it asked, in milliseconds. */
export const LEASE_TTL_MS = 60_000
/** At most this many leases in one question. */
export const LEASES_PER_ASK = 500

/** Billionths of a US dollar. */
const nano = z.int().nonnegative()

const Holding = z.strictObject({
  /** `accountOf` the budget. */
  account: z.string().min(1).max(100),
  /** Of the period, in epoch milliseconds. */
  start: z.int().nonnegative(),
  /** What requests that are over cost: a fact, also where it is more than was granted. */
  spent: nano,
  /** What the smallest request that waits now would need, and what all of them would: less than the former is of no use. */
  least: nano,
  /** Never more than `ceiling`. */
  need: nano,
  ceiling: nano,
})
export type Holding = Readonly<z.infer<typeof Holding>>

export const LeaseAsk = z.strictObject({
  node: z.string().min(1).max(64),
  /** Of this run of the node. */
  boot: z.string().min(1).max(64),
  /** Grows with every question of a run: one that comes late changes nothing. */
  seq: z.int().positive(),
  /** The records of all earlier runs of this node are on the bus. */
  isDrained: z.boolean(),
  holdings: z.array(Holding).max(LEASES_PER_ASK),
})
export type LeaseAsk = Readonly<z.infer<typeof LeaseAsk>>

const Grant = z.object({
  account: z.string(),
  start: z.int().nonnegative(),
  granted: nano,
  /** What is left of the budget beyond all leases. */
  free: nano,
  /** What other leases hold that is not in the books yet: some of it may come back. */
  elsewhere: nano,
})
export type Grant = Readonly<z.infer<typeof Grant>>

/** Budgets that the control plane does not know are not answered for. */
export const LeaseAnswer = z.object({ ttlMs: z.int().positive(), grants: z.array(Grant) })
export type LeaseAnswer = Readonly<z.infer<typeof LeaseAnswer>>

/** What usage records name the lease by that paid for them. */
export const leaseId = (account: string, start: number, boot: string): string => `${account}/${start}/${boot}`
