/**
 * Says what the judgement is: a signed table to every node once a second, and now and then into a register
 * for nodes and probers that start.
 */
import type { Bus } from '#contracts/bus/bus.ts'
import type { Clock } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import {
  openTable,
  signTable,
  WEIGHTS_REGISTER,
  type WeightEntry,
  type WeightTable,
} from '#contracts/weights/table.ts'
import { decodeMemory, encodeMemory, type Memory, type Remembered } from './judgement/memory.ts'

export const PUBLISH_INTERVAL_MS = 1_000
/** Three tables may be lost before a node begins to let go of the last one. */
const VALID_FOR_MS = 3_500
const MEMORY_KEY = 'prober-memory'
const STORE_TABLE_MS = 5_000
const STORE_MEMORY_MS = 15_000
/** Half of what a NATS server takes in one message by default. */
const MOST_BYTES = 512 * 1024

export type PublisherPorts = Readonly<{
  bus: Bus
  /** `subjects.weights`. */
  subject: string
  /** Signs tables; from the master key. */
  key: Uint8Array
  clock: Clock
  logger: Logger
}>

export class Publisher {
  readonly #ports: PublisherPorts
  #epoch = 0
  #seq = 0
  #published = 0
  /** When each register was last written, by its key. */
  readonly #storedAt = new Map<string, number>()
  #storing: Promise<void> | null = null

  constructor(ports: PublisherPorts) {
    this.#ports = ports
  }

  /** @param entries worst first: those that do not fit are well, and count 1 unsaid. */
  publish(epoch: number, entries: readonly WeightEntry[], memory: () => readonly Remembered[]): void {
    const { bus, subject, key, clock } = this.#ports
    this.#seq = epoch === this.#epoch ? this.#seq + 1 : 1
    this.#epoch = epoch
    const table: WeightTable = {
      v: 1,
      epoch,
      seq: this.#seq,
      at: clock.now(),
      validForMs: VALID_FOR_MS,
      entries: fitting(entries),
    }
    const text = signTable(table, key)
    if (bus.publish(subject, text)) this.#published += 1
    // One after the other: a slow broker must not pile them up.
    this.#storing ??= this.#storeDue(text, memory).finally(() => {
      this.#storing = null
    })
  }

  /** Leaves everything behind for the next prober. Waits no longer than the bus does. */
  async leave(
    epoch: number,
    entries: readonly WeightEntry[],
    memory: () => readonly Remembered[],
  ): Promise<void> {
    await this.#storing
    this.#storedAt.clear()
    this.publish(epoch, entries, memory)
    await this.#storing
  }

  /** Tables sent since the start. */
  get published(): number {
    return this.#published
  }

  async #storeDue(table: string, memory: () => readonly Remembered[]): Promise<void> {
    await this.#store(WEIGHTS_REGISTER, STORE_TABLE_MS, () => table)
    await this.#store(MEMORY_KEY, STORE_MEMORY_MS, () => this.#remember(memory()))
  }

  #remember(entries: readonly Remembered[]): string {
    return encodeMemory({ writtenAt: this.#ports.clock.now(), entries: fitting(entries) })
  }

  async #store(key: string, everyMs: number, text: () => string): Promise<void> {
    const { bus, clock, logger } = this.#ports
    const now = clock.monotonic()
    const lastAt = this.#storedAt.get(key)
    if (!bus.connected || (lastAt !== undefined && now - lastAt < everyMs)) return
    this.#storedAt.set(key, now)
    try {
      await bus.registers.put(key, text(), 'any')
    } catch (error) {
      logger.warn({ error, key }, 'could not store for the next prober')
    }
  }
}

/** @returns what the prober before left. Rejects with `BusUnavailable`. */
export async function readLast(
  bus: Bus,
  key: Uint8Array,
  logger: Logger,
): Promise<Readonly<{ table: WeightTable | null; memory: Memory | null }>> {
  const [table, memory] = await Promise.all([
    bus.registers.get(WEIGHTS_REGISTER),
    bus.registers.get(MEMORY_KEY),
  ])
  const opened = table === null ? null : openTable(table.value, key)
  const decoded = memory === null ? null : decodeMemory(memory.value)
  for (const result of [opened, decoded]) {
    if (result?.ok === false)
      logger.warn({ problem: result.error }, 'what the last prober left cannot be read')
  }
  return {
    table: opened?.ok === true ? opened.value : null,
    memory: decoded?.ok === true ? decoded.value : null,
  }
}

function fitting<Entry>(entries: readonly Entry[]): readonly Entry[] {
  let bytes = 0
  return entries.filter((entry) => (bytes += Buffer.byteLength(JSON.stringify(entry)) + 1) <= MOST_BYTES)
}
