/**
 * Gives nodes money to spend of budgets, and tells how budgets stand. The books are the truth; what is out on
 * lease is kept beside them, so that any control plane can answer, also after a restart.
 */
import { accountOf, dollarsOf, nanoOf, periodAt, type Budget } from '#contracts/catalog/money/budget.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import {
  LEASE_TTL_MS,
  leaseId,
  type Grant,
  type Holding,
  type LeaseAnswer,
  type LeaseAsk,
} from '#contracts/fleet/leases.ts'
import { budgetId } from '#contracts/ids.ts'
import type { Clock } from '#contracts/process/clock.ts'
import type { BudgetLeases, BudgetQuery, BudgetStanding } from '../store/budget-leases.ts'
import { decideGrant, GONE_MS, leasedOf, outstandingOf, type Moment } from './grant.ts'

export type DeskPorts = Readonly<{
  leases: BudgetLeases
  catalog: () => Catalog
  /** Reads commits of other control planes: a node may know a budget before this process does. */
  catchUp: () => Promise<unknown>
  /** Nodes that are alive. */
  nodes: () => number
  /** When the way into the books was last seen empty, in epoch milliseconds. */
  emptiedAt: () => number
  clock: Pick<Clock, 'now'>
}>

/** How a budget stands in one period, in US dollars and epoch milliseconds. */
export type BudgetReport = Readonly<{
  start: number
  /** First moment of the next period; null: there is none. */
  end: number | null
  amount: number
  /** In the books. */
  spent: number
  /** Out on lease to nodes, and not in the books. */
  leased: number
  /** What can still be leased. */
  remaining: number
  /** The warning threshold is reached. */
  isWarning: boolean
  isSpent: boolean
  /** Requests whose cost nobody knows, which counted nothing. */
  unpriced: number
  leases: readonly Readonly<{ node: string; outstanding: number; expiresAt: number }>[]
}>

export class BudgetDesk {
  readonly #ports: DeskPorts

  constructor(ports: DeskPorts) {
    this.#ports = ports
  }

  async ask(ask: LeaseAsk): Promise<LeaseAnswer> {
    const { leases, clock } = this.#ports
    const { node, boot, isDrained, holdings } = ask
    if (isDrained) await leases.drained(node, boot, clock.now())
    if (holdings.some((holding) => this.#budgetOf(holding) === undefined)) await this.#ports.catchUp()
    const grants: Grant[] = []
    for (const holding of holdings) {
      const budget = this.#budgetOf(holding)
      if (budget !== undefined) grants.push(await this.#grant(budget, holding, ask))
    }
    return { ttlMs: LEASE_TTL_MS, grants }
  }

  /** How budgets stand now, in their order. */
  async report(budgets: readonly Budget[]): Promise<readonly BudgetReport[]> {
    const { leases, clock } = this.#ports
    const now = clock.now()
    const queries = budgets.map((budget) => queryOf(budget, now))
    const standings = await leases.standings(queries, now - GONE_MS)
    const moment = this.#moment()
    return budgets.flatMap((budget, at) => {
      const [query, standing] = [queries[at], standings[at]]
      return query === undefined || standing === undefined ? [] : [reportOf(budget, query, standing, moment)]
    })
  }

  async tidy(): Promise<void> {
    await this.#ports.leases.dropBefore(this.#ports.clock.now() - KEPT_MS)
  }

  /** @returns undefined where there is none, or it begins its periods otherwise. */
  #budgetOf({ account, start }: Holding): Budget | undefined {
    const id = account.slice(0, account.lastIndexOf('@'))
    const budget = this.#ports.catalog().budgets.get(budgetId(id))
    if (budget === undefined || accountOf(budget) !== account) return undefined
    return periodAt(budget.period, start).start === start ? budget : undefined
  }

  async #grant(budget: Budget, holding: Holding, { node, boot, seq }: LeaseAsk): Promise<Grant> {
    const { leases, nodes } = this.#ports
    const { account, start } = holding
    const id = leaseId(account, start, boot)
    const moment = this.#moment()
    const amount = nanoOf(budget.terms.amount)
    const query = queryOf(budget, start)
    const { grant } = await leases.grant(query, { id, node, boot }, moment.now - GONE_MS, (standing) => {
      const own = standing.leases.find((lease) => lease.id === id)
      const decided = decideGrant({ amount, ...standing }, id, holding, nodes(), moment)
      const told = { account, start, free: decided.free, elsewhere: decided.elsewhere }
      // A question that was overtaken by a later one: nobody waits for its answer.
      if (own !== undefined && own.seq >= seq)
        return { change: null, grant: { ...told, granted: own.granted } }
      const { granted } = decided
      const change = { granted, seq, expiresAt: moment.now + LEASE_TTL_MS }
      return { change, grant: { ...told, granted } }
    })
    return grant
  }

  #moment(): Moment {
    return { now: this.#ports.clock.now(), emptiedAt: this.#ports.emptiedAt() }
  }
}

/** Leases, and what is booked on them, are of no use to anybody after that. */
const KEPT_MS = 40 * 86_400_000

const queryOf = (budget: Budget, at: number): BudgetQuery => ({
  account: accountOf(budget),
  subject: budget.subject,
  ...periodAt(budget.period, at),
})

function reportOf(
  { terms }: Budget,
  { start, end }: BudgetQuery,
  { spent, unpriced, leases }: BudgetStanding,
  moment: Moment,
): BudgetReport {
  const amount = nanoOf(terms.amount)
  const leased = leasedOf(leases, moment)
  const out = leases.flatMap((lease) => {
    const { node, expiresAt } = lease
    const outstanding = outstandingOf(lease, moment)
    return outstanding === 0 ? [] : [{ node, outstanding: dollarsOf(outstanding), expiresAt }]
  })
  return {
    start,
    end,
    amount: terms.amount,
    spent: dollarsOf(spent),
    leased: dollarsOf(leased),
    remaining: dollarsOf(Math.max(0, amount - spent - leased)),
    isWarning: spent >= amount * terms.warnAt,
    isSpent: spent >= amount,
    unpriced,
    leases: out,
  }
}
