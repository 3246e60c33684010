/**
 * Registers in a JetStream key-value bucket, kept on file so that they survive the broker's restart.
 */
import { jetstream, JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream'
import { Kvm, type KV } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { BusUnavailable, type Register, type Registers } from './bus.ts'
import { ANSWER_MS } from './nats-commits.ts'

export class NatsRegisters implements Registers {
  readonly #connection: () => NatsConnection | null
  readonly #bucket: string
  readonly #replicas: number
  #opened: Readonly<{ connection: NatsConnection; bucket: KV }> | null = null

  constructor(connection: () => NatsConnection | null, bucket: string, replicas: number) {
    this.#connection = connection
    this.#bucket = bucket
    this.#replicas = replicas
  }

  async get(key: string): Promise<Register | null> {
    try {
      const entry = await (await this.#open()).get(key)
      return entry === null || entry.operation !== 'PUT'
        ? null
        : { value: entry.string(), revision: entry.revision }
    } catch (error) {
      throw this.#unavailable(error)
    }
  }

  async put(key: string, value: string, expected: number | 'any'): Promise<number | 'conflict'> {
    try {
      const bucket = await this.#open()
      if (expected === 'any') return await bucket.put(key, value)
      return expected === 0 ? await bucket.create(key, value) : await bucket.update(key, value, expected)
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamWrongLastSequence)
        return 'conflict'
      throw this.#unavailable(error)
    }
  }

  async #open(): Promise<KV> {
    const connection = this.#connection()
    if (connection === null) throw new BusUnavailable('not connected to NATS')
    if (this.#opened?.connection !== connection) {
      const store = new Kvm(jetstream(connection, { timeout: ANSWER_MS }))
      const bucket = await store.create(this.#bucket, { history: 1, replicas: this.#replicas })
      this.#opened = { connection, bucket }
    }
    return this.#opened.bucket
  }

  #unavailable(error: unknown): BusUnavailable {
    // The bucket may be gone with the broker's disk: make it again next time.
    this.#opened = null
    return error instanceof BusUnavailable ? error : new BusUnavailable(String(error), { cause: error })
  }
}
