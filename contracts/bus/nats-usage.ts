/**
 * Usage on its way to the books, on JetStream: a work queue on file. A message is gone once it is dealt with;
 * a full stream refuses what is new, so that its writer keeps it, instead of dropping what is old.
 */
import {
  AckPolicy,
  DiscardPolicy,
  jetstream,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type Consumer,
  type JsMsg,
} from '@nats-io/jetstream'
import { nanos, type NatsConnection } from '@nats-io/transport-node'
import { BusUnavailable, type Delivery, type UsageStream } from './bus.ts'
import { ANSWER_MS } from './nats-commits.ts'
import type { Subjects } from './subjects.ts'

/** Half a million records; writers keep more on their own disks. */
const MOST_BYTES = 256 * 1024 * 1024
const AGAIN_MS = 30_000
/** All control planes take from one queue. */
const TAKER = 'books'
/** A fetch waits at least this long for its answer, or it would miss messages that are there; in milliseconds. */
const LEAST_WAIT_MS = 1_000

export class NatsUsage implements UsageStream {
  readonly #connection: () => NatsConnection | null
  readonly #subjects: Subjects
  readonly #replicas: number
  #made: NatsConnection | null = null
  #consumer: Readonly<{ connection: NatsConnection; consumer: Consumer }> | null = null

  constructor(connection: () => NatsConnection | null, subjects: Subjects, replicas: number) {
    this.#connection = connection
    this.#subjects = subjects
    this.#replicas = replicas
  }

  async publish(id: string, bytes: Uint8Array): Promise<void> {
    const connection = await this.#open()
    try {
      await jetstream(connection).publish(this.#subjects.usage, bytes, { msgID: id, timeout: ANSWER_MS })
    } catch (error) {
      throw this.#unavailable(error)
    }
  }

  async take(limit: number, waitMs: number): Promise<readonly Delivery[]> {
    const connection = await this.#open()
    try {
      const consumer = await this.#taker(connection)
      // One first, then as many as there are: a request that is given up half way strands what is sent to it.
      const first = await consumer.next({ expires: Math.max(LEAST_WAIT_MS, waitMs) })
      if (first === null) return []
      const taken = [deliveryOf(first)]
      const more = Math.min(limit - 1, first.info.pending)
      if (more === 0) return taken
      const messages = await consumer.fetch({ max_messages: more, expires: LEAST_WAIT_MS })
      for await (const message of messages) taken.push(deliveryOf(message))
      return taken
    } catch (error) {
      throw this.#unavailable(error)
    }
  }

  async #open(): Promise<NatsConnection> {
    const connection = this.#connection()
    if (connection === null) throw new BusUnavailable('not connected to NATS')
    if (this.#made === connection) return connection
    try {
      const manager = await jetstreamManager(connection, { checkAPI: false, timeout: ANSWER_MS })
      try {
        await manager.streams.add({
          name: this.#subjects.usageStream,
          subjects: [this.#subjects.usage],
          storage: StorageType.File,
          retention: RetentionPolicy.Workqueue,
          discard: DiscardPolicy.New,
          max_bytes: MOST_BYTES,
          num_replicas: this.#replicas,
          duplicate_window: nanos(120_000),
        })
      } catch (error) {
        // Made by another member, or by an earlier release with other limits: either serves.
        if (!(error instanceof JetStreamApiError)) throw error
        await manager.streams.info(this.#subjects.usageStream)
      }
      this.#made = connection
      return connection
    } catch (error) {
      throw this.#unavailable(error)
    }
  }

  async #taker(connection: NatsConnection): Promise<Consumer> {
    if (this.#consumer?.connection === connection) return this.#consumer.consumer
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: ANSWER_MS })
    await manager.consumers.add(this.#subjects.usageStream, {
      durable_name: TAKER,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(AGAIN_MS),
      max_ack_pending: 10_000,
    })
    const consumer = await jetstream(connection).consumers.get(this.#subjects.usageStream, TAKER)
    this.#consumer = { connection, consumer }
    return consumer
  }

  #unavailable(error: unknown): BusUnavailable {
    // Stream or queue may be gone with the broker's disk: made again next time.
    this.#made = null
    this.#consumer = null
    if (error instanceof BusUnavailable) return error
    return new BusUnavailable(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

const deliveryOf = (message: JsMsg): Delivery => ({
  bytes: message.data,
  done: async () => {
    // False: the acknowledgement was not answered. The message comes again, which does no harm.
    if (!(await message.ackAck({ timeout: ANSWER_MS }))) throw new BusUnavailable('not acknowledged')
  },
})
