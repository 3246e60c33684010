/**
 * Small texts that nodes share and may lose: opaque reasoning state by tool call, owners of stored responses.
 * Losing one costs quality or a clear error, never an answer that is wrong.
 */
export interface Notes extends AsyncDisposable {
  /** Commands that failed or were not sent, since the start. */
  readonly failures: number
  /** @returns what was kept under each key, in order; null where nothing is known. Never waits beyond 30 ms. */
  find(keys: readonly string[]): Promise<readonly (string | null)[]>
  /** Keeps, in the background; a failure is counted, not told. */
  keep(key: string, text: string, ttlMs: number): void
}

/** Longer texts are not kept: they are not small. In UTF-16 code units. */
export const LONGEST_NOTE = 256 * 1024
