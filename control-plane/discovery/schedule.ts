/**
 * When a provider is asked for its models again.
 *
 * Pure. Spread by dice, so that neither providers nor control planes fall into step.
 */

/** First wait after a failure, doubled for each further one up to the usual interval, in milliseconds. */
const FIRST_RETRY_MS = 5_000

/** @returns milliseconds until the next question after a good answer: 0.8 to 1.2 of the interval. */
export const afterSuccess = (ttlMs: number, random: () => number): number => ttlMs * (0.8 + 0.4 * random())

/** @param failures in a row, the last one included. */
export function afterFailure(ttlMs: number, failures: number, random: () => number): number {
  const wait = Math.min(ttlMs, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20))
  return wait * (0.5 + random())
}
