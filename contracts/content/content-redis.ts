/**
 * Contents in Redis: one entry a request, gone by itself. Sealed and bound to its request, so that neither who
 * reads Redis nor who moves its entries about learns what was said.
 */
import { sha256Hex } from '../commit/hash.ts'
import { RedisLink, type RedisOptions } from '../redis/link-redis.ts'
import { openBytes, sealBytes } from '../security/seal.ts'
import {
  ContentUnavailable,
  decodeContent,
  encodeContent,
  type Content,
  type ContentStore,
} from './content.ts'

export type RedisContentOptions = RedisOptions &
  Readonly<{ seal: Uint8Array; clock: Readonly<{ now(): number }> }>

/** Whoever looks into a log waits longer than a request may, in milliseconds. */
const PATIENCE_MS = 1_000

export class RedisContentStore implements ContentStore {
  readonly #link: RedisLink
  readonly #prefix: string
  readonly #seal: Uint8Array
  readonly #clock: RedisContentOptions['clock']

  constructor({ prefix, seal, ...options }: RedisContentOptions) {
    this.#link = new RedisLink(options)
    this.#prefix = prefix
    this.#seal = seal
    this.#clock = options.clock
  }

  get failures(): number {
    return this.#link.failures
  }

  keep(content: Content): void {
    const { id, until } = content
    const ttlMs = until - this.#clock.now()
    if (ttlMs <= 0) return
    const sealed = sealBytes(this.#seal, Buffer.from(encodeContent(content)), boundTo(id)).toString('base64')
    this.#link.tell((redis) => redis.set(this.#place(id), sealed, 'PX', ttlMs), sealed.length)
  }

  async read(id: string): Promise<Content | null> {
    // In a list, so that no entry is told apart from no answer.
    const found = await this.#link.ask((redis) => redis.mget([this.#place(id)]), PATIENCE_MS)
    if (found === null) throw new ContentUnavailable('Redis does not answer')
    const opened = openBytes(this.#seal, Buffer.from(found[0] ?? '', 'base64'), boundTo(id))
    const read = opened.ok ? decodeContent(opened.value.toString()) : opened
    return read.ok ? read.value : null
  }

  async has(id: string): Promise<boolean | null> {
    const count = await this.#link.ask((redis) => redis.exists(this.#place(id)), PATIENCE_MS)
    return count === null ? null : count > 0
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#link[Symbol.asyncDispose]()
  }

  /** Hashed: whoever asks may write what he likes. */
  #place(id: string): string {
    return `${this.#prefix}:content:${sha256Hex(id).slice(0, 40)}`
  }
}

const boundTo = (id: string): string => `content:${id}`
