/**
 * What became of one attempt, in words that fit every provider.
 *
 * Pure. Order is the wire order of the counters: append, never reorder.
 */
export const OUTCOMES = [
  /** An answer, to its end. */
  'success',
  /** 429: the key or the provider is over a rate limit. */
  'throttled',
  /** 503 or 529: the provider says it is out of capacity. */
  'overloaded',
  /** Other 5xx, refused or reset connections, answers that are not answers. */
  'fault',
  /** No connection, no first byte or no next byte in time. */
  'timeout',
  /** Broken off after content had reached the client: the one failure that cannot be retried. */
  'cut',
  /** 401 or 403: the credential was refused. */
  'unauthorised',
  /** 402 or a quota code: the credential's money or quota is gone. */
  'exhausted',
  /** 404 for the model: this provider does not serve it. */
  'missing',
  /** Other 4xx: the caller's own mistake. Counts against nobody. */
  'invalid',
  /** The client left. Counts against nobody. */
  'cancelled',
] as const

export type OutcomeClass = (typeof OUTCOMES)[number]

export const outcomeIndex = (outcome: OutcomeClass): number => OUTCOMES.indexOf(outcome)

/** Does the outcome say something bad about the provider, as opposed to the key or the caller? */
export function isProviderFault(outcome: OutcomeClass): boolean {
  return outcome === 'fault' || outcome === 'timeout' || outcome === 'cut' || outcome === 'overloaded'
}
