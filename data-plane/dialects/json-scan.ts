/**
 * Finds the values of a few top-level keys in a JSON object without building anything.
 *
 * Pure. This is how a body is read and its model replaced while every other byte stays what the client sent.
 * `scanTopLevel` checks the whole grammar except the inside of strings; `skimTopLevel` (`json-skim.ts`)
 * avoids most of that work on large bodies. Plain functions over local variables: this runs over every
 * small body. What is between strings is read from the bytes, one by one; a string's end is searched in the same
 * bytes as latin1 text, where a search is part of the compiled code and costs no call out of it.
 */
/** Deeper bodies are refused: real requests nest about ten deep, tool schemas a few more. */
const MAX_DEPTH = 200
/** Longer bodies are searched as they are, to hold none of them twice. */
const TEXT_BYTES = 1024 * 1024

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d

const MALFORMED = -1
const TOO_DEEP = -2

export type ScanProblem = 'not_an_object' | 'malformed' | 'duplicate_key' | 'too_deep'

/** Start and end of each wanted key's value, in bytes and in the order asked for: [start0, end0, start1, …]; -1: absent. */
export type Spans = readonly number[]

const textOf = (bytes: Buffer): string | null => (bytes.length > TEXT_BYTES ? null : bytes.toString('latin1'))

/**
 * @param wanted keys of plain ASCII. @param text the bytes as latin1 text, where the caller has it already.
 * @returns the spans, or why the bytes are not a JSON object with each wanted key at most once.
 */
export function scanTopLevel(
  bytes: Buffer,
  wanted: readonly string[],
  text: string | null = textOf(bytes),
): Spans | ScanProblem {
  let at = skipSpace(bytes, 0)
  if (bytes[at] !== OPEN_OBJECT) return 'not_an_object'
  const spans = noSpans(wanted)
  at = skipSpace(bytes, at + 1)
  let more = bytes[at] !== CLOSE_OBJECT
  while (more) {
    const keyEnd = bytes[at] === QUOTE ? stringEnd(bytes, text, at) : MALFORMED
    if (keyEnd === MALFORMED) return 'malformed'
    const index = indexOfKey(bytes, at + 1, keyEnd - 1, wanted)
    if (index !== -1 && spans[index * 2] !== -1) return 'duplicate_key'
    at = skipSpace(bytes, keyEnd)
    if (bytes[at] !== COLON) return 'malformed'
    at = skipSpace(bytes, at + 1)
    const end = valueEnd(bytes, text, at)
    if (end < 0) return end === TOO_DEEP ? 'too_deep' : 'malformed'
    if (index !== -1) {
      spans[index * 2] = at
      spans[index * 2 + 1] = end
    }
    at = skipSpace(bytes, end)
    more = bytes[at] === COMMA
    if (more) at = skipSpace(bytes, at + 1)
  }
  if (bytes[at] !== CLOSE_OBJECT) return 'malformed'
  return skipSpace(bytes, at + 1) === bytes.length ? spans : 'malformed'
}

export function noSpans(wanted: readonly string[]): number[] {
  const spans: number[] = []
  for (let index = 0; index < wanted.length; index++) spans.push(-1, -1)
  return spans
}

export function skipSpace(bytes: Buffer, at: number): number {
  for (;;) {
    const byte = bytes[at] ?? 0
    // Nearly always nothing is to be skipped, and one comparison tells.
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return at
    at += 1
  }
}

/** @returns the position after the value that begins at `at`, or MALFORMED or TOO_DEEP. */
function valueEnd(bytes: Buffer, text: string | null, at: number): number {
  const byte = bytes[at]
  return byte === OPEN_OBJECT || byte === OPEN_ARRAY
    ? containerEnd(bytes, text, at)
    : scalarEnd(bytes, text, at)
}

/** What may come next inside a container. */
const AFTER_VALUE = 0
const KEY_OR_END = 1
const VALUE_OR_END = 2
const KEY = 3
const VALUE = 4

/** What closes each container around the one that is read. Only of use during a call. */
const CLOSERS = new Uint8Array(MAX_DEPTH)

function containerEnd(bytes: Buffer, text: string | null, start: number): number {
  let depth = 0
  let closer = 0
  let at = start
  let next = VALUE
  do {
    at = skipSpace(bytes, at)
    const byte = bytes[at]
    if (next <= VALUE_OR_END && byte === closer) {
      // The end of this container; what is around it has a value more.
      depth -= 1
      closer = CLOSERS[depth] ?? 0
      next = AFTER_VALUE
      at += 1
    } else if (next === AFTER_VALUE) {
      if (byte !== COMMA) return MALFORMED
      next = closer === CLOSE_OBJECT ? KEY : VALUE
      at += 1
    } else if (next === KEY || next === KEY_OR_END) {
      at = byte === QUOTE ? skipSpace(bytes, stringEnd(bytes, text, at)) : MALFORMED
      // A string without an end gave -1, where no colon can be.
      if (bytes[at] !== COLON) return MALFORMED
      next = VALUE
      at += 1
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (depth === MAX_DEPTH) return TOO_DEEP
      CLOSERS[depth] = closer
      depth += 1
      closer = byte === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY
      next = byte === OPEN_OBJECT ? KEY_OR_END : VALUE_OR_END
      at += 1
    } else {
      at = scalarEnd(bytes, text, at)
      if (at === MALFORMED) return MALFORMED
      next = AFTER_VALUE
    }
  } while (closer !== 0)
  return at
}

/** Strings, numbers and literals. */
export function scalarEnd(bytes: Buffer, text: string | null, at: number): number {
  const byte = bytes[at]
  if (byte === QUOTE) return stringEnd(bytes, text, at)
  if (byte === 0x74) return literalEnd(bytes, at, 'true')
  if (byte === 0x66) return literalEnd(bytes, at, 'false')
  if (byte === 0x6e) return literalEnd(bytes, at, 'null')
  return numberEnd(bytes, at)
}

/** Behind an escape the next one is often near, in code and in JSON within JSON: so far a loop beats a search. */
const LOOP_BYTES = 16

/**
 * @param text the bytes as latin1 text; null: they are searched themselves.
 * @param at position of the opening quote. @returns the position after the closing one, or MALFORMED.
 */
export function stringEnd(bytes: Buffer, text: string | null, at: number): number {
  const { length } = bytes
  let position = at + 1
  for (;;) {
    const quote = text === null ? bytes.indexOf(QUOTE, position) : text.indexOf('"', position)
    if (quote === -1) return MALFORMED
    if (bytes[quote - 1] !== BACKSLASH || backslashesBefore(bytes, quote) % 2 === 0) return quote + 1
    position = quote + 1
    let loopUntil = position + LOOP_BYTES
    while (position < loopUntil && position < length) {
      const byte = bytes[position]
      if (byte === QUOTE) return position + 1
      if (byte === BACKSLASH) {
        position += 2
        loopUntil = position + LOOP_BYTES
      } else position += 1
    }
  }
}

export function backslashesBefore(bytes: Buffer, at: number): number {
  let count = 0
  while (bytes[at - 1 - count] === BACKSLASH) count += 1
  return count
}

function literalEnd(bytes: Buffer, at: number, literal: string): number {
  for (let index = 1; index < literal.length; index++) {
    if (bytes[at + index] !== literal.charCodeAt(index)) return MALFORMED
  }
  return at + literal.length
}

function numberEnd(bytes: Buffer, start: number): number {
  let at = bytes[start] === 0x2d ? start + 1 : start
  const whole = at
  at = bytes[at] === 0x30 ? at + 1 : digitsEnd(bytes, at)
  if (at === whole) return MALFORMED
  if (bytes[at] === 0x2e) {
    const fraction = at + 1
    at = digitsEnd(bytes, fraction)
    if (at === fraction) return MALFORMED
  }
  if (bytes[at] !== 0x65 && bytes[at] !== 0x45) return at
  const sign = bytes[at + 1]
  const exponent = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1
  at = digitsEnd(bytes, exponent)
  return at === exponent ? MALFORMED : at
}

function digitsEnd(bytes: Buffer, at: number): number {
  for (;;) {
    const byte = bytes[at]
    if (byte === undefined || byte < 0x30 || byte > 0x39) return at
    at += 1
  }
}

/** @returns which wanted key stands at `start` to `end` (between the quotes), or -1. */
export function indexOfKey(bytes: Buffer, start: number, end: number, wanted: readonly string[]): number {
  for (let index = 0; index < wanted.length; index++) {
    const key = wanted[index]
    if (key?.length === end - start && isAt(bytes, start, key)) return index
  }
  // An escaped spelling of a wanted key would slip past us and be honoured upstream.
  for (let at = start; at < end; at++)
    if (bytes[at] === BACKSLASH) return indexOfEscapedKey(bytes, start, end, wanted)
  return -1
}

function indexOfEscapedKey(bytes: Buffer, start: number, end: number, wanted: readonly string[]): number {
  try {
    const key: unknown = JSON.parse(bytes.toString('utf8', start - 1, end + 1))
    return wanted.findIndex((name) => name === key)
  } catch {
    return -1
  }
}

function isAt(bytes: Buffer, start: number, key: string): boolean {
  for (let at = 0; at < key.length; at++) if (bytes[start + at] !== key.charCodeAt(at)) return false
  return true
}
