/**
 * The prober's last table, as admins see it: the same one the nodes apply, fading as it fades there.
 */
import type { Bus, Unsubscribe } from '#contracts/bus/bus.ts'
import type { Subjects } from '#contracts/bus/subjects.ts'
import type { Clock } from '#contracts/process/clock.ts'
import {
  isNewer,
  openTable,
  relaxedFactor,
  relaxedTo,
  sayOf,
  WEIGHTS_REGISTER,
  type WeightDetail,
  type WeightEntry,
  type WeightTable,
} from '#contracts/weights/table.ts'

export type WeightsViewPorts = Readonly<{
  bus: Bus
  subjects: Pick<Subjects, 'weights'>
  /** `MasterKey.weights`. */
  key: Uint8Array
  clock: Clock
  /** Told each table once, in the order of their numbers. */
  onTable?: (table: WeightTable) => void
}>

export type CountingFactor = Readonly<{ factor: number; reason: string }>

/** The whole table, as it counts now. */
export type SaidWeights = Readonly<{
  epoch: number
  seq: number
  /** Since it was received, in milliseconds. */
  ageMs: number
  /** How much it still says, from 1 to 0. */
  say: number
  factors: readonly Readonly<{
    provider: string
    /** Upstream model. */
    model: string
    factor: number
    /** What the table says, before its age counts. */
    published: number
    reason: string
    /** Null: the prober is of a version that tells factors only. */
    detail: WeightDetail | null
  }>[]
}>

export class WeightsView implements Disposable {
  readonly #ports: WeightsViewPorts
  readonly #subscriptions: readonly Unsubscribe[]
  #table: WeightTable | null = null
  #entries: ReadonlyMap<string, WeightEntry> = new Map()
  /** Monotonic milliseconds. */
  #receivedAt = 0

  constructor(ports: WeightsViewPorts) {
    const { bus, subjects } = ports
    this.#ports = ports
    this.#subscriptions = [
      bus.subscribe(subjects.weights, (text) => this.#take(text, false)),
      bus.onStatus((connected) => {
        if (connected) void this.#catchUp()
      }),
    ]
    if (bus.connected) void this.#catchUp()
  }

  /** @returns the factor as it counts now, or null when the prober has said nothing of the deployment. */
  of(provider: string, model: string): CountingFactor | null {
    const entry = this.#entries.get(`${provider}\n${model}`)
    if (entry === undefined || this.#table === null) return null
    const ageMs = this.#ports.clock.monotonic() - this.#receivedAt
    return { factor: relaxedFactor(entry.factor, ageMs, this.#table.validForMs), reason: entry.reason }
  }

  /** @returns null while no table has been heard of. */
  current(): SaidWeights | null {
    const table = this.#table
    if (table === null) return null
    const ageMs = this.#ports.clock.monotonic() - this.#receivedAt
    const say = sayOf(ageMs, table.validForMs)
    const factors = table.entries.map(({ provider, model, factor, reason, detail = null }) => ({
      provider,
      model,
      factor: relaxedTo(factor, say),
      published: factor,
      reason,
      detail,
    }))
    return { epoch: table.epoch, seq: table.seq, ageMs, say, factors }
  }

  [Symbol.dispose](): void {
    for (const unsubscribe of this.#subscriptions) unsubscribe()
  }

  async #catchUp(): Promise<void> {
    try {
      const register = await this.#ports.bus.registers.get(WEIGHTS_REGISTER)
      if (register !== null) this.#take(register.value, true)
    } catch {
      // The broker cannot be asked: the next table comes by itself within seconds.
    }
  }

  /** @param isStored one that may be hours old counts from when it was written, as far as the clocks agree. */
  #take(text: string, isStored: boolean): void {
    const { key, clock } = this.#ports
    const opened = openTable(text, key)
    if (!opened.ok || !isNewer(opened.value, this.#table)) return
    const table = opened.value
    this.#table = table
    this.#entries = new Map(table.entries.map((entry) => [`${entry.provider}\n${entry.model}`, entry]))
    this.#ports.onTable?.(table)
    this.#receivedAt = clock.monotonic() - (isStored ? Math.max(0, clock.now() - table.at) : 0)
  }
}
