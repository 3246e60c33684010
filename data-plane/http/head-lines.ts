/**
 * The lines of a head of HTTP/1.1, of a request or of an answer, as bytes.
 *
 * Pure. Strict: what two readers could understand in two ways is refused. One pass over the bytes, and few functions
 * of the engine or of Node: other code has been in the processor's cache since the last head was read, and what runs
 * here must come back into it first.
 */

/** As much as Node takes; the empty line counts. */
export const MOST_HEAD_BYTES = 16 * 1024

/** What names of headers are made of. */
export const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const IN_NAMES = Uint8Array.from({ length: 256 }, (_, code) => (NAME.test(String.fromCharCode(code)) ? 1 : 0))

/** Statuses of answers that have no body, whatever they say. */
export const NO_BODY: ReadonlySet<number> = new Set([204, 304])

/** Instead of a place in the bytes: more of them must come, or none can make a head of these. */
export const NOT_YET = -1
export const NEVER = -2

/** In bytes. */
const LINE_END_LENGTH = 2
const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const COLON = 0x3a
const DELETE = 0x7f
const MOST_LENGTH_DIGITS = 15
const ZERO = 0x30

/**
 * @param from where the head begins. @param firstEnd the place of its first line's end, or why there is none.
 * @param places filled as `Headers` takes them.
 * @returns the place behind the empty line.
 */
export function endOfHeaders(
  bytes: Buffer,
  from: number,
  firstEnd: number,
  to: number,
  places: number[],
): number {
  let lineEnd = firstEnd
  while (lineEnd >= 0) {
    const start = lineEnd + LINE_END_LENGTH
    let at = start
    while (at < to && IN_NAMES[bytes[at] ?? 0] === 1) at += 1
    if (at === to) return NOT_YET
    if (at === start) {
      const end = bytes[at] === CR ? endOfLine(bytes, at, to) : NEVER
      return end < 0 ? end : end + LINE_END_LENGTH
    }
    if (bytes[at] !== COLON) return NEVER
    lineEnd = endOfLine(bytes, at + 1, to)
    places.push(at - start, at - from, lineEnd - from)
  }
  return lineEnd
}

/** @returns the place of the next carriage return: nothing but a line feed may stand behind it, nor that alone. */
export function endOfLine(bytes: Buffer, from: number, to: number): number {
  let at = from
  while (at < to && isText(bytes[at] ?? 0)) at += 1
  if (at === to) return NOT_YET
  if (bytes[at] !== CR) return NEVER
  if (at + 1 === to) return NOT_YET
  return bytes[at + 1] === LF ? at : NEVER
}

/** Control characters are none: others might take them for the end of a line. */
const isText = (byte: number): boolean => (byte >= SPACE && byte !== DELETE) || byte === TAB

/** A length: of digits alone, and not so many that JavaScript would round it. */
export function wholeNumber(text: string): number | null {
  if (text.length === 0 || text.length > MOST_LENGTH_DIGITS) return null
  let number = 0
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) return null
    number = number * 10 + digit
  }
  return number
}
