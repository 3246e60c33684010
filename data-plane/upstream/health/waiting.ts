/**
 * Attempts that wait for their first content, the oldest first: what has not come by now is evidence before
 * anything has failed.
 */
import type { Ticket } from './ticket.ts'

/** So many of the oldest are looked at: who waits longest is among them. */
const LOOKED_AT = 6
/** Below so many times the expected time, waiting is nothing special. */
const LEAST_AGE = 2.5
/** JSON answers come when they are complete, and some are long: their waiting counts less. */
const PATIENCE_JSON = 3

export class Waiting {
  #head: Ticket | null = null
  #tail: Ticket | null = null

  add(ticket: Ticket): void {
    ticket.before = this.#tail
    if (this.#tail === null) this.#head = ticket
    else this.#tail.after = ticket
    this.#tail = ticket
    ticket.isWaiting = true
  }

  remove(ticket: Ticket): void {
    if (!ticket.isWaiting) return
    ticket.isWaiting = false
    if (ticket.before === null) this.#head = ticket.after
    else ticket.before.after = ticket.after
    if (ticket.after === null) this.#tail = ticket.before
    else ticket.after.before = ticket.before
    ticket.before = null
    ticket.after = null
  }

  /**
   * @returns how many times slower than expected those that wait show it to be; 0: nothing special. One alone
   *   may be unlucky: the second oldest counts, or half of the oldest.
   */
  slowness(now: number): number {
    let first = 0
    let second = 0
    let looked = 0
    for (let ticket = this.#head; ticket !== null && looked < LOOKED_AT; ticket = ticket.after, looked++) {
      const age = ageOf(ticket, now)
      if (age > first) {
        second = first
        first = age
      } else if (age > second) second = age
    }
    const age = Math.max(second, first / 2)
    return age > LEAST_AGE ? age : 0
  }

  /** Tells every attempt that waits for more than so many times what was expected. */
  overdue(times: number, now: number, tell: (ticket: Ticket) => void): void {
    for (let ticket = this.#head; ticket !== null; ticket = ticket.after)
      if (ageOf(ticket, now) > times) tell(ticket)
  }
}

function ageOf({ startedAt, patienceMs, mode }: Ticket, now: number): number {
  const age = (now - startedAt) / patienceMs
  return mode === 'json' ? age / PATIENCE_JSON : age
}
