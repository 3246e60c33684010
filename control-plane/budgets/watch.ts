/**
 * Looks at every budget now and then, for those who watch from outside, and says once a period when one reaches
 * its warning threshold, and when it is spent.
 */
import { accountOf, type Budget } from '#contracts/catalog/money/budget.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { Clock } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import type { BudgetDesk, BudgetReport } from './desk.ts'

export type WatchPorts = Readonly<{
  desk: Pick<BudgetDesk, 'report' | 'tidy'>
  catalog: () => Catalog
  clock: Pick<Clock, 'monotonic'>
  logger: Logger
}>

export type WatchedBudget = Readonly<{ budget: Budget; report: BudgetReport }>

const TIDY_MS = 3_600_000

export class BudgetWatch {
  readonly #ports: WatchPorts
  #seen: readonly WatchedBudget[] = []
  /** Account → the period that was warned of, and how badly. */
  readonly #told = new Map<string, Readonly<{ start: number; isSpent: boolean }>>()
  #warnings = 0
  #tidiedAt = -Infinity

  constructor(ports: WatchPorts) {
    this.#ports = ports
  }

  /** As they were when last looked at. */
  get seen(): readonly WatchedBudget[] {
    return this.#seen
  }

  /** Given since the start of the process. */
  get warnings(): number {
    return this.#warnings
  }

  /** Rejects when the database cannot be asked; what was seen last stays. */
  async look(): Promise<void> {
    const { desk, catalog, clock } = this.#ports
    const budgets = [...catalog().budgets.values()]
    const reports = await desk.report(budgets)
    this.#seen = budgets.flatMap((budget, at) => {
      const report = reports[at]
      return report === undefined ? [] : [{ budget, report }]
    })
    for (const one of this.#seen) this.#warn(one)
    if (clock.monotonic() - this.#tidiedAt < TIDY_MS) return
    this.#tidiedAt = clock.monotonic()
    await desk.tidy()
  }

  #warn({ budget, report }: WatchedBudget): void {
    const { start, amount, spent, leased, isWarning, isSpent } = report
    if (!isWarning) return
    const account = accountOf(budget)
    const told = this.#told.get(account)
    if (told?.start === start && (told.isSpent || !isSpent)) return
    this.#told.set(account, { start, isSpent })
    this.#warnings += 1
    const fields = { budget: budget.id, ...budget.subject, period: budget.period, amount, spent, leased }
    this.#ports.logger.warn(
      fields,
      isSpent ? 'a budget is spent' : 'a budget has reached its warning threshold',
    )
  }
}
