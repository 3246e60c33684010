/**
 * One prober speaks, the others stand by: a lease in a shared register, kept by compare-and-set.
 *
 * No clock is compared with another machine's: a standby takes over when the register has not moved for
 * 10 seconds by its own watch, and a holder falls silent when it could not renew for 8 by its own. Should two
 * speak for a moment after all, the epoch decides: every new holder has a higher one.
 */
import { z } from 'zod'
import type { Register, Registers } from '#contracts/bus/bus.ts'
import type { Clock, Random } from '#contracts/process/clock.ts'

export const LEASE_KEY = 'prober-lease'
/** How often to call `step`. */
export const LEASE_STEP_MS = 1_000
const RENEW_MS = 3_000
const TAKE_AFTER_MS = 10_000
const SILENT_AFTER_MS = 8_000
/** An epoch that is not counted is a time in microseconds, the last three digits by dice. */
const MICROS = 1_000

const LeaseText = z.object({
  /** Of the process that holds it; null: given back. */
  holder: z.string().nullable(),
  epoch: z.int().min(1),
})
type LeaseValue = Readonly<z.infer<typeof LeaseText>>

export type LeasePorts = Readonly<{
  registers: Registers
  clock: Clock
  random: Random
  /** Unique to this process. */
  holder: string
  /** Epoch of the last weight table anybody was seen to publish; 0: none. */
  lastEpoch: () => number
}>

type Held = { epoch: number; revision: number; renewedAt: number; renewAt: number }
type Watched = { revision: number; since: number }

export class Lease {
  readonly #ports: LeasePorts
  #held: Held | null = null
  #watched: Watched | null = null

  constructor(ports: LeasePorts) {
    this.#ports = ports
  }

  /** @returns the epoch to speak under, or null: be silent. */
  get epoch(): number | null {
    if (this.#held === null) return null
    return this.#ports.clock.monotonic() - this.#held.renewedAt < SILENT_AFTER_MS ? this.#held.epoch : null
  }

  /** Renews, watches or takes over, as is due. May reject with `BusUnavailable`: call it again later. */
  async step(): Promise<void> {
    if (this.#held === null) await this.#watch()
    else if (this.#ports.clock.monotonic() >= this.#held.renewAt) await this.#renew(this.#held)
  }

  /** Gives the lease back, so that a standby need not wait for it to run out. */
  async release(): Promise<void> {
    const held = this.#held
    this.#held = null
    if (held !== null)
      await this.#ports.registers.put(LEASE_KEY, encode({ holder: null, epoch: held.epoch }), held.revision)
  }

  async #renew(held: Held): Promise<void> {
    // Counted from before the asking: what the broker thinks can only be younger.
    const askedAt = this.#ports.clock.monotonic()
    const revision = await this.#put(held.epoch, held.revision)
    if (revision !== 'conflict') {
      this.#hold(held.epoch, revision, askedAt)
      return
    }
    // Somebody else has it, or our last renewal arrived and its acknowledgement did not.
    const register = await this.#ports.registers.get(LEASE_KEY)
    const value = register === null ? null : decode(register.value)
    if (register !== null && value?.holder === this.#ports.holder && value.epoch === held.epoch) {
      this.#hold(held.epoch, register.revision, askedAt)
    } else this.#held = null
  }

  async #watch(): Promise<void> {
    const now = this.#ports.clock.monotonic()
    const register = await this.#ports.registers.get(LEASE_KEY)
    if (register === null) {
      await this.#take(null, 0)
      return
    }
    const value = decode(register.value)
    if (value?.holder === null || this.#hasStood(register, now)) await this.#take(value, register.revision)
  }

  #hasStood({ revision }: Register, now: number): boolean {
    if (this.#watched?.revision !== revision) this.#watched = { revision, since: now }
    return now - this.#watched.since >= TAKE_AFTER_MS
  }

  async #take(last: LeaseValue | null, expected: number): Promise<void> {
    const { clock, random, lastEpoch } = this.#ports
    // Nodes may remember an epoch that the broker has lost with its disk: begin above any counted one, and, by
    // dice, apart from whoever does the same at the same time: a disk can be lost twice.
    const beside = last === null ? Math.floor(random() * MICROS) : 0
    const next = last === null ? Math.floor(clock.now()) * MICROS + beside : last.epoch + 1
    const epoch = Math.max(next, lastEpoch() + 1 + beside)
    const askedAt = clock.monotonic()
    const revision = await this.#put(epoch, expected)
    if (revision !== 'conflict') this.#hold(epoch, revision, askedAt)
  }

  #put(epoch: number, expected: number): Promise<number | 'conflict'> {
    return this.#ports.registers.put(LEASE_KEY, encode({ holder: this.#ports.holder, epoch }), expected)
  }

  #hold(epoch: number, revision: number, askedAt: number): void {
    const renewAt = askedAt + RENEW_MS * (0.8 + 0.4 * this.#ports.random())
    this.#held = { epoch, revision, renewedAt: askedAt, renewAt }
    this.#watched = null
  }
}

const encode = (value: LeaseValue): string => JSON.stringify(value)

/** @returns null for what is no lease: it is then taken over like one that stands still. */
function decode(text: string): LeaseValue | null {
  try {
    return LeaseText.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}
