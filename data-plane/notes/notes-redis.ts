/**
 * Notes in Redis, shared by all nodes. A note may hold what was said and answered: sealed and bound to its key, so
 * that neither who reads Redis nor who moves its entries about learns any of it.
 */
import { sha256Hex } from '#contracts/commit/hash.ts'
import { RedisLink, type RedisOptions } from '#contracts/redis/link-redis.ts'
import { openBytes, sealBytes } from '#contracts/security/seal.ts'
import { LONGEST_NOTE, type Notes } from './notes.ts'

export type RedisNotesOptions = RedisOptions & Readonly<{ seal: Uint8Array }>

export class RedisNotes implements Notes {
  readonly #link: RedisLink
  readonly #prefix: string
  readonly #seal: Uint8Array

  constructor({ prefix, seal, ...options }: RedisNotesOptions) {
    this.#link = new RedisLink(options)
    this.#prefix = prefix
    this.#seal = seal
  }

  get failures(): number {
    return this.#link.failures
  }

  async find(keys: readonly string[]): Promise<readonly (string | null)[]> {
    const found = await this.#link.ask((redis) => redis.mget(keys.map((key) => this.#key(key))))
    return keys.map((key, at) => this.#open(key, found?.[at] ?? null))
  }

  keep(key: string, text: string, ttlMs: number): void {
    if (text.length > LONGEST_NOTE) return
    const sealed = sealBytes(this.#seal, Buffer.from(text), `note:${key}`).toString('base64')
    this.#link.tell((redis) => redis.set(this.#key(key), sealed, 'PX', ttlMs), sealed.length)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#link[Symbol.asyncDispose]()
  }

  /** What cannot be opened is no note: of another master key, or of a release that did not seal. */
  #open(key: string, sealed: string | null): string | null {
    if (sealed === null) return null
    const opened = openBytes(this.#seal, Buffer.from(sealed, 'base64'), `note:${key}`)
    return opened.ok ? opened.value.toString() : null
  }

  /** Hashed: keys hold what clients wrote, of any length. */
  #key(key: string): string {
    return `${this.#prefix}:note:${sha256Hex(key).slice(0, 40)}`
  }
}
