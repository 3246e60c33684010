/**
 * The head of an answer over HTTP/1.1: status, headers, and how long the body is.
 *
 * Pure. Strict: whatever two readers could understand in two ways is refused, as a connection serves one client after
 * the other, and what is taken for the end of an answer decides whose the next bytes are.
 *
 * One pass over the bytes, and few functions of the engine or of Node: other code has been in the processor's cache
 * since the last answer was read, and what runs here must come back into it first.
 */
import { Headers, type HeaderValue } from './headers.ts'

/** Where the body ends: `length` bytes on, where its last chunk does, or with the connection. */
export type Framing = 'length' | 'chunked' | 'close'

export type Head = Readonly<{
  status: number
  headers: Headers
  /** Behind its empty line, in the bytes that were read: the body begins there. */
  end: number
  framing: Framing
  /** In bytes; 0 where the framing is another. */
  length: number
  /** May the connection be used again? */
  isKept: boolean
  /** How long the other side keeps it when nothing is asked, in milliseconds; null: it does not say. */
  keptMs: number | null
}>

/** As much as Node takes; the empty line counts. */
export const MOST_HEAD_BYTES = 16 * 1024

/** What names of headers are made of. */
export const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const IN_NAMES = Uint8Array.from({ length: 256 }, (_, code) => (NAME.test(String.fromCharCode(code)) ? 1 : 0))
/** A head begins with bytes that lie between those of these two. */
const LEAST_BEGINNING = Buffer.from('HTTP/1.0 100')
const MOST_BEGINNING = Buffer.from('HTTP/1.1 999')
/** In bytes. */
const LINE_END_LENGTH = 2
const VERSION_AT = 7
const STATUS_AT = 9
const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const ZERO = 0x30
const ONE = 0x31
const COLON = 0x3a
const DELETE = 0x7f

const MOST_LENGTH_DIGITS = 15
const KEPT_SECONDS = /(?:^|[\s,;])timeout=(\d{1,9})/i
const NO_BODY: ReadonlySet<number> = new Set([204, 304])

/** Instead of a place in the bytes: more of them must come, or none can make a head of these. */
const NOT_YET = -1
const NEVER = -2

/** @param from where it begins. @returns `malformed` as soon as nothing that follows can make a head of it. */
export function readHead(bytes: Buffer, from: number): Head | 'incomplete' | 'malformed' {
  const to = Math.min(bytes.length, from + MOST_HEAD_BYTES)
  const places: number[] = []
  const end = endOfHead(bytes, from, to, places)
  if (end === NOT_YET) return to === bytes.length ? 'incomplete' : 'malformed'
  if (end === NEVER) return 'malformed'
  let status = 0
  for (let at = from + STATUS_AT; at < from + STATUS_AT + 3; at++)
    status = status * 10 + (bytes[at] ?? 0) - ZERO
  const headers = new Headers(bytes.toString('latin1', from, end), places)
  return headOf(status, bytes[from + VERSION_AT] === ONE, headers, end) ?? 'malformed'
}

/** @param places see `Headers`. @returns the place behind the empty line. */
function endOfHead(bytes: Buffer, from: number, to: number, places: number[]): number {
  let lineEnd = endOfStatusLine(bytes, from, to)
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

/** @returns the place of its carriage return. */
function endOfStatusLine(bytes: Buffer, from: number, to: number): number {
  const end = from + MOST_BEGINNING.length
  for (let at = from; at < end; at++) {
    if (at === to) return NOT_YET
    const byte = bytes[at] ?? 0
    if (byte < (LEAST_BEGINNING[at - from] ?? 0) || byte > (MOST_BEGINNING[at - from] ?? 0)) return NEVER
  }
  if (end === to) return NOT_YET
  return bytes[end] === SPACE || bytes[end] === CR ? endOfLine(bytes, end, to) : NEVER
}

/** @returns the place of the next carriage return: nothing but a line feed may stand behind it, nor that alone. */
function endOfLine(bytes: Buffer, from: number, to: number): number {
  let at = from
  while (at < to && isText(bytes[at] ?? 0)) at += 1
  if (at === to) return NOT_YET
  if (bytes[at] !== CR) return NEVER
  if (at + 1 === to) return NOT_YET
  return bytes[at + 1] === LF ? at : NEVER
}

/** Control characters are none: others might take them for the end of a line. */
const isText = (byte: number): boolean => (byte >= SPACE && byte !== DELETE) || byte === TAB

function headOf(status: number, isNew: boolean, headers: Headers, end: number): Head | null {
  const length = headers.get('content-length')
  const coding = headers.get('transfer-encoding')
  const isKept = isNew && !says(headers.get('connection'), 'close')
  const keptMs = keptFor(headers.get('keep-alive'))
  const of = (framing: Framing, bytes: number, mayKeep = isKept): Head => ({
    status,
    headers,
    end,
    framing,
    length: bytes,
    isKept: mayKeep,
    keptMs,
  })
  // They have none, whatever they say; one that says it has may send it all the same, later.
  const saysNone = coding === undefined && (length === undefined || length === '0')
  if (status < 200 || NO_BODY.has(status)) return of('length', 0, isKept && saysNone)
  if (coding !== undefined) {
    // Both, or a coding that is not the last: what a reader makes of it is anybody's guess.
    const isChunked = length === undefined && typeof coding === 'string'
    return isChunked && coding.toLowerCase() === 'chunked' ? of('chunked', 0) : null
  }
  if (length === undefined) return of('close', 0, false)
  const bytes = typeof length === 'string' ? wholeNumber(length) : null
  return bytes === null ? null : of('length', bytes)
}

/** Of digits alone, and not so many that JavaScript would round it. */
function wholeNumber(text: string): number | null {
  if (text.length === 0 || text.length > MOST_LENGTH_DIGITS) return null
  let number = 0
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) return null
    number = number * 10 + digit
  }
  return number
}

function keptFor(header: HeaderValue | undefined): number | null {
  const seconds = header === undefined ? undefined : KEPT_SECONDS.exec(String(header))?.[1]
  return seconds === undefined ? null : Number(seconds) * 1_000
}

/** Is it among the words of a header? */
function says(header: HeaderValue | undefined, word: string): boolean {
  // What nearly all say.
  if (header === undefined || header === 'keep-alive') return false
  return String(header)
    .toLowerCase()
    .split(',')
    .some((one) => one.trim() === word)
}
