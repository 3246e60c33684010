/**
 * The prober's factors as this node applies them: the newest table, fading with its age.
 *
 * No clock of its own: every call says what time it is (monotonic milliseconds).
 */
import { deploymentId, providerId } from '#contracts/ids.ts'
import { isNewer, relaxedFactor, type WeightTable } from '#contracts/weights/table.ts'
import type { Slots } from './slots.ts'

/** A factor never reaches zero on a node: a table cannot take a deployment out, only make it rare. */
const LEAST_FACTOR = 0.001

export class WeightFactors {
  readonly #deployments: Slots
  #table: WeightTable | null = null
  #receivedAt = 0
  /** By deployment slot. */
  #factors: Float64Array = new Float64Array(0)

  constructor(deployments: Slots) {
    this.#deployments = deployments
  }

  /** @returns false when the table is not newer than the one in force; it is then ignored. */
  accept(table: WeightTable, now: number): boolean {
    if (!isNewer(table, this.#table)) return false
    // Slots are made for deployments the prober knows before we do, so that order of arrival does not matter.
    const slots = table.entries.map((entry) =>
      this.#deployments.of(deploymentId(providerId(entry.provider), entry.model)),
    )
    const factors = new Float64Array(this.#deployments.size).fill(1)
    table.entries.forEach((entry, at) => {
      factors[slots[at] ?? 0] = Math.max(LEAST_FACTOR, entry.factor)
    })
    this.#table = table
    this.#factors = factors
    this.#receivedAt = now
    return true
  }

  of(slot: number, now: number): number {
    const factor = this.#factors[slot] ?? 1
    if (this.#table === null || factor === 1) return 1
    return relaxedFactor(factor, now - this.#receivedAt, this.#table.validForMs)
  }

  get table(): WeightTable | null {
    return this.#table
  }

  ageMs(now: number): number | null {
    return this.#table === null ? null : now - this.#receivedAt
  }
}
