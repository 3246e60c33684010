/**
 * What JetStream's answers about a commit stream mean.
 *
 * Pure. Apart from the client, so that a model of a broker that errs can answer in JetStream's own words.
 */
import type { StreamRange } from './bus.ts'

/** An acknowledgement with another number, or of a message known before, acknowledges something else. */
export const readAck = (
  ack: Readonly<{ seq: number; duplicate: boolean }>,
  commit: number,
): 'stored' | 'conflict' => (ack.seq === commit && !ack.duplicate ? 'stored' : 'conflict')

/** An empty stream keeps the number that it ended with. */
export const readRange = ({
  first_seq: first,
  last_seq: last,
  messages,
}: Readonly<{ first_seq: number; last_seq: number; messages: number }>): StreamRange =>
  messages === 0 ? { first: last + 1, last } : { first, last }
