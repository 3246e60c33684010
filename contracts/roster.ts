/**
 * Things that come and go all the time, by the thousand a second.
 *
 * Pure. Not a `Set` and not a `Map`: V8 makes a new table for one whenever the places of the old one are used up,
 * and the old one keeps its entries and the next table alive. Once the collector has taken a single table for old,
 * whatever was there when a table was replaced is kept, copied, and only found to be garbage when the whole heap is
 * marked (decision 17).
 */
export interface Member {
  /** Where the roster has it; -1: nowhere. The roster's alone, and a member is in one roster at most. */
  place: number
}

export class Roster<One extends Member> {
  #members: One[] = []

  /** In no order. Not a copy: nothing may come or go while it is gone through. */
  get members(): readonly One[] {
    return this.#members
  }

  get size(): number {
    return this.#members.length
  }

  /** Who is there already stays. */
  add(one: One): void {
    if (one.place !== -1) return
    one.place = this.#members.length
    this.#members.push(one)
  }

  /** The last takes its place; who is not there is let be. */
  remove(one: One): void {
    const { place } = one
    if (place === -1 || this.#members[place] !== one) return
    one.place = -1
    const last = this.#members.pop()
    if (last === undefined || last === one) return
    this.#members[place] = last
    last.place = place
  }

  /** @returns all that were there, and are no more. */
  takeAll(): readonly One[] {
    const all = this.#members
    for (const one of all) one.place = -1
    this.#members = []
    return all
  }
}
