/**
 * Who in the fleet waits for a deployment for unusually long, by node: evidence before anything has ended.
 *
 * Pure but for the rows it is given; time in monotonic milliseconds is an argument.
 */

/** By node, credential and kind of answer. */
export type WaitingRows = Map<string, Readonly<{ count: number; at: number }>>

/** A node tells several times a second; what it told longer ago has passed. */
const FRESH_MS = 1_500
/** One alone may be unlucky. */
const LEAST_WAITING = 2

export function noteWaiting(rows: WaitingRows, name: string, count: number, now: number): void {
  if (count > 0) rows.set(name, { count, at: now })
  else rows.delete(name)
}

export function areWaiting(rows: WaitingRows, now: number): boolean {
  let sum = 0
  for (const [name, { count, at }] of rows) {
    if (now - at > FRESH_MS) rows.delete(name)
    else sum += count
  }
  return sum >= LEAST_WAITING
}
