/**
 * The head of an answer over HTTP/1.1: status, headers, and how long the body is.
 *
 * Pure. Strict: whatever two readers could understand in two ways is refused, as a connection serves one client after
 * the other, and what is taken for the end of an answer decides whose the next bytes are.
 */
import {
  endOfHeaders,
  endOfLine,
  MOST_HEAD_BYTES,
  NEVER,
  NO_BODY,
  NOT_YET,
  wholeNumber,
} from '../../http/head-lines.ts'
import { Headers, type HeaderValue } from '../../http/headers.ts'

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

/** A head begins with bytes that lie between those of these two. */
const LEAST_BEGINNING = Buffer.from('HTTP/1.0 100')
const MOST_BEGINNING = Buffer.from('HTTP/1.1 999')
const VERSION_AT = 7
const STATUS_AT = 9
const CR = 0x0d
const SPACE = 0x20
const ZERO = 0x30
const ONE = 0x31

const KEPT_SECONDS = /(?:^|[\s,;])timeout=(\d{1,9})/i

/** @param from where it begins. @returns `malformed` as soon as nothing that follows can make a head of it. */
export function readHead(bytes: Buffer, from: number): Head | 'incomplete' | 'malformed' {
  const to = Math.min(bytes.length, from + MOST_HEAD_BYTES)
  const places: number[] = []
  const end = endOfHeaders(bytes, from, endOfStatusLine(bytes, from, to), to, places)
  if (end === NOT_YET) return to === bytes.length ? 'incomplete' : 'malformed'
  if (end === NEVER) return 'malformed'
  let status = 0
  for (let at = from + STATUS_AT; at < from + STATUS_AT + 3; at++)
    status = status * 10 + (bytes[at] ?? 0) - ZERO
  const headers = new Headers(bytes.toString('latin1', from, end), places)
  return headOf(status, bytes[from + VERSION_AT] === ONE, headers, end) ?? 'malformed'
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
