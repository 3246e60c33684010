/**
 * The prober's table as this node applies it: the newest one, with less and less say the older it is.
 *
 * No clock of its own: every call says what time it is (monotonic milliseconds).
 */
import { deploymentId, providerId } from '#contracts/ids.ts'
import type { Mode } from '#contracts/telemetry/report.ts'
import type { Line } from '#contracts/telemetry/line.ts'
import { isNewer, relaxedTo, sayOf, type WeightDetail, type WeightTable } from '#contracts/weights/table.ts'
import type { Slots } from './slots.ts'

/** What the table says about one deployment. */
export type FleetView = Readonly<{
  factor: number
  /** Null: the prober is of an earlier version and tells factors only. */
  detail: WeightDetail | null
  /** When what it says was true, at the latest. */
  at: number
}>

/** Below this say a table's rates and references are of another time. */
const LEAST_SAY = 0.5

export class WeightFactors {
  readonly #deployments: Slots
  #table: WeightTable | null = null
  #receivedAt = 0
  /** By deployment slot. */
  #views: (FleetView | undefined)[] = []
  #sayAt = -1
  #say = 1

  constructor(deployments: Slots) {
    this.#deployments = deployments
  }

  /** @returns false when the table is not newer than the one in force; it is then ignored. */
  accept(table: WeightTable, now: number): boolean {
    if (!isNewer(table, this.#table)) return false
    // Slots are made for deployments the prober knows before we do, so that order of arrival does not matter.
    const views: (FleetView | undefined)[] = []
    for (const { provider, model, factor, detail } of table.entries) {
      const slot = this.#deployments.of(deploymentId(providerId(provider), model))
      while (views.length <= slot) views.push(undefined)
      // What the last table said to be usual stays until something else is.
      const usual =
        detail === undefined ? undefined : { ...this.#views[slot]?.detail?.usual, ...detail.usual }
      const kept = detail === undefined || usual === undefined ? null : { ...detail, usual }
      views[slot] = { factor, detail: kept, at: now }
    }
    this.#table = table
    this.#views = views
    this.#receivedAt = now
    this.#sayAt = -1
    return true
  }

  /** The factor as it counts now; 1: nothing is said against it. */
  of(slot: number, now: number): number {
    const view = this.#views[slot]
    return view === undefined || view.factor === 1 ? 1 : relaxedTo(view.factor, this.say(now))
  }

  view(slot: number): FleetView | null {
    return this.#views[slot] ?? null
  }

  /** Usual time to the first content. Habits outlive the table: nothing better is known. */
  usual(slot: number, mode: Mode): Line | null {
    return this.#views[slot]?.detail?.usual[mode] ?? null
  }

  /** How much the table still says, from 1 to 0. */
  say(now: number): number {
    if (this.#table === null) return 0
    // One request asks for every candidate at the same moment.
    if (now !== this.#sayAt) {
      this.#say = sayOf(now - this.#receivedAt, this.#table.validForMs)
      this.#sayAt = now
    }
    return this.#say
  }

  /** Do the table's rates and references still hold? */
  isFresh(now: number): boolean {
    return this.say(now) > LEAST_SAY
  }

  get table(): WeightTable | null {
    return this.#table
  }

  ageMs(now: number): number | null {
    return this.#table === null ? null : now - this.#receivedAt
  }
}
