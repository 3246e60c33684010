/**
 * The commit stream on JetStream. Each publish expects the whole stream's last sequence, so the sequence of
 * a message is its commit number; the server sends every stored message on as a plain one for the nodes.
 *
 * No message ids: the deduplication window would answer for a message that the stream has since lost.
 */
import {
  DiscardPolicy,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
} from '@nats-io/jetstream'
import { nanos, type NatsConnection } from '@nats-io/transport-node'
import { BusUnavailable, type CommitStream, type StreamRange, type Unsubscribe } from './bus.ts'
import { readAck, readRange } from './stream-answers.ts'
import type { Subjects } from './subjects.ts'

/** For one answer of the broker, in milliseconds. Its first answer after a restart can be slow. */
export const ANSWER_MS = 2_000

export class NatsCommits implements CommitStream {
  readonly #connection: () => NatsConnection | null
  readonly #subjects: Subjects
  readonly #replicas: number
  readonly #subscribe: (subject: string, listener: (text: string) => void) => Unsubscribe

  constructor(
    connection: () => NatsConnection | null,
    subjects: Subjects,
    replicas: number,
    subscribe: (subject: string, listener: (text: string) => void) => Unsubscribe,
  ) {
    this.#connection = connection
    this.#subjects = subjects
    this.#replicas = replicas
    this.#subscribe = subscribe
  }

  async create(epoch: number, first: number): Promise<void> {
    await this.#ask(async (manager, connection) => {
      const config = {
        name: this.#subjects.commitStream(epoch),
        subjects: [this.#subjects.commits(epoch)],
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.Old,
        max_msgs: 1_000_000,
        num_replicas: this.#replicas,
        duplicate_window: nanos(120_000),
        // Nobody may remove a message by hand: a hole would only be noticed by the nodes.
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        republish: { src: this.#subjects.commits(epoch), dest: this.#subjects.liveCommits(epoch) },
      }
      try {
        await manager.streams.add(
          first > 1 && canBeginLater(connection) ? { ...config, first_seq: first } : config,
        )
      } catch (error) {
        // Another relay was faster, or an earlier release made it with other limits: either serves.
        // A broker that did not answer is not asked again: the caller waits for one answer, not for two.
        if (!(error instanceof JetStreamApiError) || (await this.#info(manager, epoch)) === null) throw error
      }
    })
  }

  range(epoch: number): Promise<StreamRange | null> {
    return this.#ask(async (manager) => {
      const info = await this.#info(manager, epoch)
      if (info === null) return null
      return readRange(info.state)
    })
  }

  async append(epoch: number, commit: number, text: string): Promise<'stored' | 'conflict'> {
    const connection = this.#connection()
    if (connection === null) throw new BusUnavailable('not connected to NATS')
    try {
      const ack = await jetstream(connection).publish(this.#subjects.commits(epoch), text, {
        timeout: ANSWER_MS,
        expect: { streamName: this.#subjects.commitStream(epoch), lastSequence: commit - 1 },
      })
      return readAck(ack, commit)
    } catch (error) {
      // Nobody listens on the subject: there is no such stream. (The class itself is not exported.)
      if (error instanceof Error && error.name === 'JetStreamNotEnabled') return 'conflict'
      if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamWrongLastSequence)
        return 'conflict'
      throw unavailable(error)
    }
  }

  read(epoch: number, commit: number): Promise<string | null> {
    return this.#ask(async (manager) => {
      const message = await manager.direct.getMessage(this.#subjects.commitStream(epoch), { seq: commit })
      return message?.string() ?? null
    })
  }

  live(epoch: number, listener: (text: string) => void): Unsubscribe {
    return this.#subscribe(this.#subjects.liveCommits(epoch), listener)
  }

  async #info(manager: JetStreamManager, epoch: number) {
    try {
      return await manager.streams.info(this.#subjects.commitStream(epoch))
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return null
      throw error
    }
  }

  async #ask<Answer>(
    question: (manager: JetStreamManager, connection: NatsConnection) => Promise<Answer>,
  ): Promise<Answer> {
    const connection = this.#connection()
    if (connection === null) throw new BusUnavailable('not connected to NATS')
    try {
      const manager = await jetstreamManager(connection, { checkAPI: false, timeout: ANSWER_MS })
      return await question(manager, connection)
    } catch (error) {
      throw unavailable(error)
    }
  }
}

/** Servers before 2.10 take `first_seq` without a word and begin at 1. */
function canBeginLater(connection: NatsConnection): boolean {
  const [major = 0, minor = 0] = (connection.info?.version ?? '0.0').split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 10)
}

function unavailable(error: unknown): BusUnavailable {
  if (error instanceof BusUnavailable) return error
  return new BusUnavailable(error instanceof Error ? error.message : String(error), { cause: error })
}
