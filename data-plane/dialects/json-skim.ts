/**
 * The same answer as `scanTopLevel`, for large bodies, without reading most of their bytes one by one.
 *
 * Pure. A large request is mostly one array of messages (or of tools) between a few short members. The
 * members before it are read forwards and those after it backwards; what lies between can only matter if it
 * names one of the wanted keys, and a native search rules that out at memory speed. Whenever it cannot be
 * ruled out, the full scan decides. The grammar between is left to the upstream, which reads it anyway.
 */
import {
  backslashesBefore,
  indexOfKey,
  noSpans,
  scalarEnd,
  scanTopLevel,
  skipSpace,
  stringEnd,
  type ScanProblem,
  type Spans,
} from './json-scan.ts'

/** In bytes: below this size the full scan is as fast. */
export const SKIM_FROM = 8 * 1024
/** How far members before and after the middle may reach: they are short, or this is no usual body. */
const EDGE_BYTES = 4 * 1024

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d

/**
 * End of a JSON escape of the letters a to o, `\\u006…`: a key spelled with it would be found by no search for
 * its plain letters. Every letter of `model` is among them, and the model is what must not be smuggled in
 * twice. Searched without its `u`, because native search is fastest when the first byte is a rare one.
 */
const LETTER_ESCAPE = '006'
/** Text full of these is left to the full scan. */
const MOST_FALSE_HITS = 100

export function skimTopLevel(bytes: Buffer, wanted: readonly string[]): Spans | ScanProblem {
  if (bytes.length < SKIM_FROM) return scanTopLevel(bytes, wanted)
  const spans = noSpans(wanted)
  const from = readForwards(bytes, wanted, spans)
  const to = from === -1 ? -1 : readBackwards(bytes, wanted, spans)
  if (to <= from || mayHoldKey(bytes.subarray(from, to), wanted, spans)) return scanTopLevel(bytes, wanted)
  return spans
}

/** @returns where the first container value begins, or -1 when the members before it are not as expected. */
function readForwards(bytes: Buffer, wanted: readonly string[], spans: number[]): number {
  let at = skipSpace(bytes, 0)
  if (bytes[at] !== OPEN_OBJECT) return -1
  while (at < EDGE_BYTES) {
    at = skipSpace(bytes, at + 1)
    const keyEnd = bytes[at] === QUOTE ? stringEnd(bytes, null, at) : -1
    const index = keyEnd === -1 ? -1 : indexOfKey(bytes, at + 1, keyEnd - 1, wanted)
    at = skipSpace(bytes, keyEnd)
    if (keyEnd === -1 || bytes[at] !== COLON) return -1
    at = skipSpace(bytes, at + 1)
    if (bytes[at] === OPEN_OBJECT || bytes[at] === OPEN_ARRAY) return index === -1 ? at : -1
    const end = scalarEnd(bytes, null, at)
    if (end < 0 || !keep(spans, index, at, end)) return -1
    at = skipSpace(bytes, end)
    if (bytes[at] !== COMMA) return -1
  }
  return -1
}

/** @returns where the last container value ends, or -1 when the members after it are not as expected. */
function readBackwards(bytes: Buffer, wanted: readonly string[], spans: number[]): number {
  let at = spaceBefore(bytes, bytes.length)
  if (bytes[at - 1] !== CLOSE_OBJECT) return -1
  const least = bytes.length - EDGE_BYTES
  while (at > least) {
    // `at` is behind a comma or the closing brace.
    const end = spaceBefore(bytes, at - 1)
    const last = bytes[end - 1]
    if (last === CLOSE_OBJECT || last === CLOSE_ARRAY) return end
    const start = last === QUOTE ? stringStart(bytes, end) : wordStart(bytes, end)
    if (start === -1 || scalarEnd(bytes, null, start) !== end) return -1
    const colon = spaceBefore(bytes, start)
    const keyEnd = spaceBefore(bytes, colon - 1)
    if (bytes[colon - 1] !== COLON || bytes[keyEnd - 1] !== QUOTE) return -1
    const keyStart = stringStart(bytes, keyEnd)
    if (keyStart === -1 || !keep(spans, indexOfKey(bytes, keyStart + 1, keyEnd - 1, wanted), start, end))
      return -1
    at = spaceBefore(bytes, keyStart)
    if (bytes[at - 1] !== COMMA) return -1
  }
  return -1
}

/** @returns false when the key was met before: the full scan says what to make of that. */
function keep(spans: number[], index: number, start: number, end: number): boolean {
  if (index === -1) return true
  if (spans[index * 2] !== -1) return false
  spans[index * 2] = start
  spans[index * 2 + 1] = end
  return true
}

function mayHoldKey(middle: Buffer, wanted: readonly string[], spans: Spans): boolean {
  if (hasLetterEscape(middle)) return true
  return wanted.some((key, index) => {
    // A second `stream` could only make an answer of the wrong kind, which is noticed; not worth a search.
    const isSettled = index > 0 && spans[index * 2] !== -1
    return !isSettled && middle.includes(`${key}"`)
  })
}

function hasLetterEscape(middle: Buffer): boolean {
  let hits = 0
  for (let at = middle.indexOf(LETTER_ESCAPE); at !== -1; at = middle.indexOf(LETTER_ESCAPE, at + 1)) {
    hits += 1
    if (middle[at - 1] === 0x75 || hits > MOST_FALSE_HITS) return true
  }
  return false
}

/** @returns the position after the last byte before `at` that is not white space. */
function spaceBefore(bytes: Buffer, at: number): number {
  let position = at
  for (;;) {
    const byte = bytes[position - 1]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return position
    position -= 1
  }
}

/** @param end position after the closing quote. @returns the opening quote: the last one before it that is not escaped. */
function stringStart(bytes: Buffer, end: number): number {
  let at = bytes.lastIndexOf(QUOTE, end - 2)
  while (at > 0 && backslashesBefore(bytes, at) % 2 === 1) at = bytes.lastIndexOf(QUOTE, at - 1)
  return at
}

/** Numbers and literals are made of these. */
function wordStart(bytes: Buffer, end: number): number {
  let at = end
  for (;;) {
    const byte = bytes[at - 1] ?? 0
    const isWord =
      (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x2d || byte === 0x2b
    if (!isWord && byte !== 0x2e && byte !== 0x45) return at
    at -= 1
  }
}
