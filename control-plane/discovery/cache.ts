/**
 * Where control planes leave the lists they fetched for each other, and for themselves after a restart.
 * Losable: without it each of them asks the providers by itself.
 */
export interface ModelListCache extends AsyncDisposable {
  /** Commands that failed or were not sent, since the start. */
  readonly failures: number
  /** @returns the text that was put last, or null when there is none or nobody can say. Never waits beyond 30 ms. */
  get(key: string): Promise<string | null>
  /** Puts in the background; a failure is counted, not told. */
  put(key: string, text: string): void
}

/** A list is kept this long after it was fetched, so that it outlives a provider that is down, in milliseconds. */
export const KEEP_MS = 24 * 3_600_000
