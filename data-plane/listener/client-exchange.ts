/**
 * A client's request and where its answer goes: what everything behind the listener knows of HTTP.
 */
import type { RequestHeaders } from '../http/request-headers.ts'

export interface ClientExchange {
  readonly method: string
  /** With its query, as it was sent. */
  readonly url: string
  readonly headers: RequestHeaders

  /**
   * Asked for at most once.
   * @param limit in bytes.
   * @returns null: it is larger. Of a client that leaves while it sends nothing comes, and perhaps nothing of one that
   * was answered meanwhile.
   */
  readBody(limit: number): Buffer | null | Promise<Buffer | null>

  /**
   * Begins the answer; it goes out with the first bytes behind it.
   * @param headers name, value, name, value…, names in lower case. Without a `content-length` the answer's length is not known yet.
   */
  begin(status: number, headers: readonly string[]): void
  /** @returns false: more should wait for `onceDrained`. */
  write(data: Buffer): boolean
  /** Nothing comes behind `last`. Told again, it is not heard. */
  end(last: Buffer | null): void
  readonly isEnded: boolean
  onceDrained(listener: () => void): void
  /** Breaks the connection off. */
  destroy(): void
  /** @param listener told once: the answer was handed to the system whole, or the connection is gone. One is enough. */
  onClose(listener: (isWhole: boolean) => void): void
}

/** A client that reads nothing for this long while we have something for it is cut off, in milliseconds. */
export const STALL_MS = 60_000

/**
 * A string goes out in one write with the head before it, where a buffer is gathered with it by `writev`: a fifth
 * less for a server that does nothing else, up to about this length. Latin-1 keeps every byte what it is.
 */
export const ONE_WRITE_BYTES = 4 * 1024
