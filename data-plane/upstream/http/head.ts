/**
 * The head of an answer over HTTP/1.1: status, headers, and how long the body is.
 *
 * Pure in effect: names are remembered. Strict: whatever two readers could understand in two ways is refused, as a
 * connection serves one client after the other, and what is taken for the end of an answer decides whose the next
 * bytes are.
 */

/** As it came, names in lower case; a header that came several times has a list. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Where the body ends: `length` bytes on, where its last chunk does, or with the connection. */
export type Framing = 'length' | 'chunked' | 'close'

export type Head = Readonly<{
  status: number
  headers: Headers
  framing: Framing
  /** In bytes; 0 where the framing is another. */
  length: number
  /** May the connection be used again? */
  isKept: boolean
  /** How long the other side keeps it when nothing is asked, in milliseconds; null: it does not say. */
  keptMs: number | null
}>

/** As much as Node takes. */
export const MOST_HEAD_BYTES = 16 * 1024
export const END_OF_HEAD = Buffer.from('\r\n\r\n')

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?\r$/
/** What names of headers are made of. */
export const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** What no header may have, and line ends that are none: others might take them for some. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)/
const DIGITS = /^\d{1,15}$/
const KEPT_SECONDS = /(?:^|[\s,;])timeout=(\d{1,9})/i
const NO_BODY: ReadonlySet<number> = new Set([204, 304])

/** Header names as they come and in lower case: there are few of them, and they come again and again. */
const lower = new Map<string, string>()
const MOST_NAMES = 1_000

const BEGINNING = 'HTTP/1.'
const LONE_LINE_FEED = /(?:^|[^\r])\n/

/** @param text without the end of a head. May it be the beginning of one? Who waits for its end would wait for ever. */
export const mayBegin = (text: string): boolean =>
  text.slice(0, BEGINNING.length) === BEGINNING.slice(0, text.length) && !LONE_LINE_FEED.test(text)

/**
 * @param text of the head with the line end behind its last line, in Latin-1.
 * @returns null: it is not one.
 */
export function readHead(text: string): Head | null {
  if (FORBIDDEN.test(text)) return null
  const firstEnd = text.indexOf('\n')
  const line = STATUS_LINE.exec(text.slice(0, firstEnd))
  if (line === null) return null
  const headers = readHeaders(text, firstEnd + 1)
  return headers === null ? null : headOf(Number(line[2]), line[1] === '1', headers)
}

function readHeaders(text: string, from: number): Headers | null {
  const headers: Record<string, string | string[]> = Object.create(null)
  for (let at = from; at < text.length;) {
    const end = text.indexOf('\n', at)
    // A carriage return stands before nothing else: see FORBIDDEN.
    if (end <= at || text[end - 1] !== '\r') return null
    const colon = text.indexOf(':', at)
    if (colon === -1 || colon >= end) return null
    const name = nameOf(text.slice(at, colon))
    if (name === null) return null
    const value = valueOf(text, colon + 1, end - 1)
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (typeof before === 'string') headers[name] = [before, value]
    else before.push(value)
    at = end + 1
  }
  return headers
}

/** Without the blanks around it. */
function valueOf(text: string, from: number, to: number): string {
  let [start, end] = [from, to]
  while (start < end && isBlank(text.charCodeAt(start))) start += 1
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1
  return text.slice(start, end)
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09

function nameOf(raw: string): string | null {
  const known = lower.get(raw)
  if (known !== undefined) return known
  if (!NAME.test(raw)) return null
  const name = raw.toLowerCase()
  if (lower.size === MOST_NAMES) lower.clear()
  // A copy: a piece of a text keeps all of it.
  lower.set(Buffer.from(raw).toString(), name)
  return name
}

function headOf(status: number, isNew: boolean, headers: Headers): Head | null {
  const { 'content-length': length, 'transfer-encoding': coding } = headers
  const isKept = isNew && !says(headers['connection'], 'close')
  const keptMs = keptFor(headers['keep-alive'])
  const of = (framing: Framing, bytes: number, mayKeep = isKept): Head => ({
    status,
    headers,
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
  return typeof length === 'string' && DIGITS.test(length) ? of('length', Number(length)) : null
}

function keptFor(header: string | string[] | undefined): number | null {
  const seconds = header === undefined ? undefined : KEPT_SECONDS.exec(String(header))?.[1]
  return seconds === undefined ? null : Number(seconds) * 1_000
}

/** Is it among the words of a header? */
function says(header: string | string[] | undefined, word: string): boolean {
  // What nearly all say.
  if (header === undefined || header === 'keep-alive') return false
  return String(header)
    .toLowerCase()
    .split(',')
    .some((one) => one.trim() === word)
}
