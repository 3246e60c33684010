/**
 * One direction of a proxied connection: reads from one socket, writes to the other, as late and as little
 * as the faults of the moment say.
 */
import type { Socket } from 'node:net'
import type { Random } from '#contracts/process/clock.ts'
import type { Faults } from './proxy.ts'

export type FlowPorts = Readonly<{ random: Random; reset: () => void }>

type Parcel = Readonly<{ bytes: Buffer; at: number }>

/** Read ahead of what may be written, in bytes: the buffers of a long path. */
const WINDOW_BYTES = 1024 * 1024

export class Flow {
  readonly #from: Socket
  readonly #to: Socket
  readonly #faults: () => Faults
  readonly #ports: FlowPorts
  readonly #queue: Parcel[] = []
  readonly #whenPassable: (() => void)[] = []
  #queuedBytes = 0
  #passedBytes = 0
  #ended = false
  #stopped = false
  #running = false
  #wake: (() => void) | null = null

  constructor(from: Socket, to: Socket, faults: () => Faults, ports: FlowPorts) {
    this.#from = from
    this.#to = to
    this.#faults = faults
    this.#ports = ports
    from.on('data', (bytes: Buffer) => {
      this.#queue.push({ bytes, at: performance.now() })
      this.#queuedBytes += bytes.length
      if (this.#queuedBytes > WINDOW_BYTES) from.pause()
      this.#run()
    })
    from.on('end', () => {
      this.#ended = true
      this.#run()
    })
  }

  /** Call after the faults have changed: what was held may go, what was not may have to wait. */
  faultsChanged(): void {
    this.#wake?.()
    if (this.#faults().blackHole !== true) for (const act of this.#whenPassable.splice(0)) act()
  }

  /** Acts now, or when the black hole has gone. */
  whenPassable(act: () => void): void {
    if (this.#faults().blackHole === true) this.#whenPassable.push(act)
    else act()
  }

  stop(): void {
    this.#stopped = true
    this.#queue.length = 0
    this.#wake?.()
  }

  #run(): void {
    if (this.#running) return
    this.#running = true
    void this.#pass().finally(() => {
      this.#running = false
    })
  }

  async #pass(): Promise<void> {
    for (let parcel = this.#queue.shift(); parcel !== undefined; parcel = this.#queue.shift()) {
      await this.#travel(parcel.at)
      for (const piece of this.#pieces(parcel.bytes)) await this.#deliver(piece)
      this.#queuedBytes -= parcel.bytes.length
      if (this.#queuedBytes <= WINDOW_BYTES && this.#from.isPaused()) this.#from.resume()
    }
    if (this.#ended && !this.#stopped) await this.#end()
  }

  /** Waits until what was sent at `sentAt` has arrived, by the faults of the moment. */
  async #travel(sentAt: number): Promise<void> {
    const dice = this.#ports.random() * 2 - 1
    const due = (): number => {
      const { latencyMs = 0, jitterMs = 0 } = this.#faults()
      return sentAt + latencyMs + dice * jitterMs
    }
    while (!this.#stopped && due() > performance.now()) await this.#pause(due() - performance.now())
  }

  *#pieces(bytes: Buffer): Generator<Buffer> {
    for (let at = 0; at < bytes.length;) {
      const { sliceBytes = bytes.length, bytesPerSecond = Infinity } = this.#faults()
      // A narrow path is fed in small pieces, so that it becomes wide again soon after it was set so.
      const size = Math.min(sliceBytes, Math.max(1, Math.floor(bytesPerSecond / 50)))
      yield bytes.subarray(at, at + size)
      at += size
    }
  }

  async #deliver(piece: Buffer): Promise<void> {
    await this.#outOfBlackHole()
    if (this.#stopped || !this.#to.writable) return
    const { limitBytes = Infinity, resetAfterBytes = Infinity } = this.#faults()
    const limit = Math.min(limitBytes, resetAfterBytes)
    const passed = piece.subarray(0, Math.max(0, limit - this.#passedBytes))
    this.#passedBytes += passed.length
    if (passed.length > 0 && !this.#to.write(passed)) await this.#emptied()
    if (this.#passedBytes >= limit) {
      // What was let through must have left before the connection is cut, or the reset would overtake it.
      await this.#emptied()
      if (limit === resetAfterBytes) this.#ports.reset()
      else this.#cutOff()
      return
    }
    const { bytesPerSecond = Infinity, slicePauseMs = 0 } = this.#faults()
    await this.#pause((passed.length * 1_000) / bytesPerSecond + slicePauseMs)
  }

  /** The other side sees an end where more was to come; the sender goes on into the void. */
  #cutOff(): void {
    this.stop()
    this.#to.end()
    this.#from.destroySoon()
  }

  async #end(): Promise<void> {
    const { slowCloseMs, latencyMs = 0 } = this.#faults()
    await this.#pause(slowCloseMs ?? latencyMs)
    await this.#outOfBlackHole()
    if (!this.#stopped) this.#to.end()
  }

  async #outOfBlackHole(): Promise<void> {
    while (!this.#stopped && this.#faults().blackHole === true) await this.#pause(Infinity)
  }

  /** Sleeps, until the faults change at the latest. */
  #pause(ms: number): Promise<void> {
    if (ms <= 0 || this.#stopped) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = ms === Infinity ? undefined : setTimeout(() => this.#wake?.(), ms)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = null
        resolve()
      }
    })
  }

  /** Resolves when everything written has been handed to the kernel. */
  #emptied(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#to.writableLength === 0 || this.#to.destroyed) return resolve()
      this.#to.once('drain', resolve)
      this.#to.once('close', resolve)
    })
  }
}
