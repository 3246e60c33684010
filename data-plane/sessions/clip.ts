/**
 * As much of a JSON text as is read of it: JSON again, whatever was left out.
 *
 * Pure. Steps are bounded by what may come out, not by what goes in: long strings are passed over by native
 * search. A string that was cut is cut between words, so that no secret is halved, and ends with `CUT`.
 */

/** Ends a string that was cut. A noncharacter: it means nothing to anybody else. */
export const CUT = '\uFFFF'

/** Of one string, in bytes: as much of it as is looked through for secrets, if it is plain. */
const LONGEST = 64 * 1024
/** Where no word ends for so long, it is cut that much earlier, in bytes. */
const LONGEST_WORD = 4_096
/** An escape, in bytes. */
const ESCAPE = 6
/** Escaped quotes after which nobody looks for the end of a string any more, and backslashes in a row. */
const MOST_ESCAPED = 30_000
const MOST_BACKSLASHES = 64

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const CUT_END = Buffer.from(`${CUT}"`)

/** @returns as much of the beginning as `most` bytes hold, with all that is open closed. */
export const beginningOf = (json: Buffer, most: number): string => new Beginning(json, most).closed()

/**
 * @returns all of it, but for the ends of long strings (`isWhole`), if `most` bytes hold that. Otherwise what stands
 * before the list that fills it, and the newest elements of that list with all that comes behind it.
 */
export function endsOf(json: Buffer, most: number): Readonly<{ text: string; isWhole: boolean }> {
  const all = new Beginning(json, most)
  if (all.isWhole) return { text: all.closed(), isWhole: true }
  const half = Math.floor(most / 2)
  const head = new Beginning(json, half)
  const ending = endingOf(json, half, head.at)
  return { text: ending === null ? head.closed() : head.joined(ending), isWhole: false }
}

class Beginning {
  readonly #json: Buffer
  readonly #most: number
  /** Of what was read, all up to `#copied` came out as these; behind it everything comes out as it is. */
  readonly #pieces: Buffer[] = []
  #copied = 0
  #length = 0
  readonly #closers: number[] = []
  #isKey = false
  /** Behind the last value that is whole, or the last container that was opened. */
  #safe = 0
  /** Behind the opening of the list on the second level. */
  #list: Readonly<{ pieces: number; copied: number; at: number }> | null = null
  #isStopped = false
  /** Read so far. */
  at = 0

  constructor(json: Buffer, most: number) {
    this.#json = json
    this.#most = most
    while (!this.#isStopped && this.at < json.length && this.#room > 0) this.#step()
  }

  /** Nothing but ends of strings was left out. */
  get isWhole(): boolean {
    return this.#closers.length === 0 && this.#safe > 0
  }

  closed(): string {
    const closers = Buffer.from(this.#closers.toReversed())
    return Buffer.concat([...this.#pieces, this.#json.subarray(this.#copied, this.#safe), closers]).toString()
  }

  joined({ level, pieces }: Ending): string {
    if (level === 1) {
      const inner = Buffer.from(this.#closers.slice(1).toReversed())
      const own = [...this.#pieces, this.#json.subarray(this.#copied, this.#safe), inner]
      return Buffer.concat([...own, Buffer.from(','), ...pieces]).toString()
    }
    if (this.#list === null) return this.closed()
    const { pieces: count, copied, at } = this.#list
    return Buffer.concat([
      ...this.#pieces.slice(0, count),
      this.#json.subarray(copied, at),
      ...pieces,
    ]).toString()
  }

  get #room(): number {
    return this.#most - this.#length - (this.at - this.#copied)
  }

  #step(): void {
    const byte = this.#json[this.at]
    if (byte === QUOTE) this.#string()
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#open(byte === OPEN_ARRAY)
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) this.#close()
    else {
      if (byte === COMMA) {
        this.#safe = this.at // behind a number or a literal, which have no end of their own
        this.#isKey = this.#closers.at(-1) === CLOSE_OBJECT
      }
      this.at += 1
    }
  }

  #open(isArray: boolean): void {
    this.#closers.push(isArray ? CLOSE_ARRAY : CLOSE_OBJECT)
    this.#isKey = !isArray
    this.at += 1
    this.#safe = this.at
    if (this.#closers.length === 2)
      this.#list = isArray ? { pieces: this.#pieces.length, copied: this.#copied, at: this.at } : null
  }

  #close(): void {
    this.#closers.pop()
    this.#isKey = false
    this.at += 1
    this.#safe = this.at
    if (this.#closers.length < 2) this.#list = null
    this.#isStopped = this.#closers.length === 0
  }

  #string(): void {
    const end = shortStringEnd(this.#json, this.at)
    const isCut = end === -1 || end - this.at > this.#room
    if (this.#isKey) {
      this.#isStopped = isCut
      this.at = isCut ? this.at : end
      this.#isKey = false
      return
    }
    if (isCut) this.#cut(end)
    else this.at = end
    this.#safe = this.at
  }

  #cut(end: number): void {
    const least = this.at + 1
    const most = Math.min(LONGEST, this.#room, end === -1 ? Infinity : end - 1 - least)
    const cut = wordEnd(this.#json, least, least + most)
    this.#pieces.push(this.#json.subarray(this.#copied, cut), CUT_END)
    this.#length += cut - this.#copied + CUT_END.length
    const next = end === -1 ? longStringEnd(this.#json, least + LONGEST) : end
    this.#isStopped = next === -1
    this.at = next === -1 ? Math.min(this.#json.length, least + LONGEST) : next
    this.#copied = this.at
  }
}

/** Elements of a list (2), or members of the object around it (1): from one of them to the end of the text. */
type Ending = Readonly<{ level: 1 | 2; pieces: readonly Buffer[] }>

/** @param least where it may begin. @returns null: there is no element that is so near to the end. */
function endingOf(json: Buffer, most: number, least: number): Ending | null {
  /** The last first: what came out of everything from `copied` on. */
  const pieces: Buffer[] = []
  let copied = json.length
  let at = copied
  let length = 0
  let level = 0
  let found: Readonly<{ level: 1 | 2; pieces: number; copied: number; at: number }> | null = null
  while (at > least && length + copied - at < most) {
    const byte = json[at - 1]
    if (byte === QUOTE) {
      const start = stringStart(json, at)
      if (start <= least) break
      if (at - start - 2 > LONGEST) {
        const cut = wordEnd(json, start + 1, start + 1 + LONGEST)
        pieces.push(json.subarray(at, copied), CUT_END, json.subarray(start, cut))
        length += copied - at + CUT_END.length + cut - start
        copied = start
      }
      at = start
      continue
    }
    if (byte === COMMA && (level === 1 || level === 2)) found = { level, pieces: pieces.length, copied, at }
    if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) level += 1
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) level -= 1
    at -= 1
  }
  if (found === null) return null
  const ending = [...pieces.slice(0, found.pieces), json.subarray(found.at, found.copied)]
  return { level: found.level, pieces: ending.toReversed() }
}

/** @returns behind the string that begins at `at`; -1: it is longer than that. */
function shortStringEnd(json: Buffer, at: number): number {
  const last = Math.min(json.length, at + 2 + LONGEST)
  for (let position = at + 1; position < last; position++) {
    if (json[position] === QUOTE) return position + 1
    if (json[position] === BACKSLASH) position += 1
  }
  return -1
}

/** @param from inside of a string. @returns behind its end; -1: it has none, or one that is hard to find. */
function longStringEnd(json: Buffer, from: number): number {
  let quote = json.indexOf(QUOTE, from)
  for (let escaped = 0; quote !== -1 && escaped < MOST_ESCAPED; escaped++) {
    const backslashes = backslashesBefore(json, quote)
    if (backslashes === MOST_BACKSLASHES) return -1
    if (backslashes % 2 === 0) return quote + 1
    quote = json.indexOf(QUOTE, quote + 1)
  }
  return -1
}

/** @param end behind the closing quote. @returns where the string begins; -1: nowhere, or it is hard to find. */
function stringStart(json: Buffer, end: number): number {
  let quote = end < 2 ? -1 : json.lastIndexOf(QUOTE, end - 2)
  for (let escaped = 0; quote !== -1 && escaped < MOST_ESCAPED; escaped++) {
    const backslashes = backslashesBefore(json, quote)
    if (backslashes === MOST_BACKSLASHES) return -1
    if (backslashes % 2 === 0) return quote
    quote = quote === 0 ? -1 : json.lastIndexOf(QUOTE, quote - 1)
  }
  return -1
}

function backslashesBefore(json: Buffer, at: number): number {
  let count = 0
  while (count < MOST_BACKSLASHES && json[at - 1 - count] === BACKSLASH) count += 1
  return count
}

/** @returns the last place up to `most` at which a word of the string ends, neither in an escape nor in a character. */
function wordEnd(json: Buffer, least: number, most: number): number {
  // What stands at the end of all may go on behind it.
  const from = Math.min(most, json.length - 1)
  const to = Math.max(least, from - LONGEST_WORD)
  for (let at = from; at > to; at--) {
    const backslashes = endsWord(json[at] ?? 0) ? backslashesBefore(json, at) : MOST_BACKSLASHES
    if (backslashes < MOST_BACKSLASHES && backslashes % 2 === 0) return at
  }
  // None of these bytes begins an escape or a character: what began before them has ended here.
  return to === least ? least : to + ESCAPE
}

/** White space, brackets, quotes, escapes and whatever no token is made of: the first byte of a longer character. */
const endsWord = (byte: number): boolean => byte <= 0x20 || byte >= 0xc0 || WORD_ENDS.has(byte)
const WORD_ENDS: ReadonlySet<number> = new Set(Buffer.from('"\'\\,;<>(){}[]'))
