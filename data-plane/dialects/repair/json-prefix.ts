/**
 * JSON that grows piece by piece, and the longest part of it that can still become a value.
 *
 * Pure; keeps state between pieces. Clients parse a call's arguments while they come and throw at what can
 * never be JSON, but take what is only cut short: so what a model writes after its first mistake is held back.
 */
import type { RawJson } from '../canonical/json.ts'

/** What may come next. Numbers name what of them was read. */
type Expected =
  | 'value'
  | 'value-or-end'
  | 'key'
  | 'key-or-end'
  | 'colon'
  | 'comma-or-end'
  | 'string'
  | 'escape'
  | 'hex'
  | 'literal'
  | 'minus'
  | 'zero'
  | 'integer'
  | 'point'
  | 'fraction'
  | 'exponent'
  | 'exponent-sign'
  | 'exponent-digits'
  | 'nothing'
  | 'broken'

type State = {
  expected: Expected
  /** Open objects and arrays, the innermost last. */
  open: string
  /** The string being read is a key. */
  isKey: boolean
  /** Left of `true`, `false` or `null`. */
  literal: string
  hexDigits: number
}

/** @returns of each next piece what may be passed on: all of it, until the first mistake. */
export function openJsonPrefix(): (piece: string) => RawJson {
  const state: State = { expected: 'value', open: '', isKey: false, literal: '', hexDigits: 0 }
  return (piece) => {
    for (let at = 0; at < piece.length; at++) {
      step(state, piece.charAt(at))
      if (state.expected === 'broken') return piece.slice(0, at)
    }
    return piece
  }
}

const DIGIT = /^\d$/
const BLANK = /^[ \t\n\r]$/
const HEX = /^[\da-fA-F]$/

function step(state: State, char: string): void {
  switch (state.expected) {
    case 'string':
      stepString(state, char)
      return
    case 'escape':
      state.expected = char === 'u' ? 'hex' : '"\\/bfnrt'.includes(char) ? 'string' : 'broken'
      state.hexDigits = 0
      return
    case 'hex':
      if (!HEX.test(char)) state.expected = 'broken'
      else if (++state.hexDigits === 4) state.expected = 'string'
      return
    case 'literal':
      if (!state.literal.startsWith(char)) state.expected = 'broken'
      else if ((state.literal = state.literal.slice(1)) === '') endValue(state)
      return
    case 'value':
    case 'value-or-end':
    case 'key':
    case 'key-or-end':
    case 'colon':
    case 'comma-or-end':
    case 'nothing':
      if (!BLANK.test(char)) stepBetween(state, char)
      return
    case 'broken':
      return
    default:
      stepNumber(state, char)
  }
}

function stepString(state: State, char: string): void {
  if (char === '\\') state.expected = 'escape'
  else if (char < ' ') state.expected = 'broken'
  else if (char === '"') {
    if (state.isKey) state.expected = 'colon'
    else endValue(state)
  }
}

function endValue(state: State): void {
  state.expected = state.open === '' ? 'nothing' : 'comma-or-end'
}

function stepBetween(state: State, char: string): void {
  const { expected, open } = state
  const isEnd = open.at(-1) === '{' ? char === '}' : open !== '' && char === ']'
  if (isEnd && (expected === 'comma-or-end' || expected.endsWith('-or-end'))) {
    state.open = open.slice(0, -1)
    endValue(state)
  } else if (expected === 'comma-or-end') {
    state.expected = char !== ',' ? 'broken' : open.endsWith('{') ? 'key' : 'value'
  } else if (expected === 'colon') state.expected = char === ':' ? 'value' : 'broken'
  else if (expected === 'key' || expected === 'key-or-end') {
    state.isKey = true
    state.expected = char === '"' ? 'string' : 'broken'
  } else if (expected === 'nothing') state.expected = 'broken'
  else startValue(state, char)
}

const LITERALS: ReadonlyMap<string, string> = new Map([
  ['t', 'rue'],
  ['f', 'alse'],
  ['n', 'ull'],
])

function startValue(state: State, char: string): void {
  const literal = LITERALS.get(char)
  if (char === '"') {
    state.isKey = false
    state.expected = 'string'
  } else if (char === '{' || char === '[') {
    state.open += char
    state.expected = char === '{' ? 'key-or-end' : 'value-or-end'
  } else if (literal !== undefined) {
    state.literal = literal
    state.expected = 'literal'
  } else
    state.expected = char === '-' ? 'minus' : char === '0' ? 'zero' : DIGIT.test(char) ? 'integer' : 'broken'
}

/** Of a number: with a digit, a point, an exponent's letter next. Absent: not that. */
const NUMBER: Readonly<
  Partial<Record<Expected, Readonly<{ digit?: Expected; point?: Expected; e?: Expected }>>>
> = {
  zero: { point: 'point', e: 'exponent' },
  integer: { digit: 'integer', point: 'point', e: 'exponent' },
  point: { digit: 'fraction' },
  fraction: { digit: 'fraction', e: 'exponent' },
  exponent: { digit: 'exponent-digits' },
  'exponent-sign': { digit: 'exponent-digits' },
  'exponent-digits': { digit: 'exponent-digits' },
}

/** Numbers that may end here: what follows is no longer theirs. */
const WHOLE: readonly Expected[] = ['zero', 'integer', 'fraction', 'exponent-digits']

function stepNumber(state: State, char: string): void {
  const { expected } = state
  if (expected === 'minus') {
    state.expected = char === '0' ? 'zero' : DIGIT.test(char) ? 'integer' : 'broken'
    return
  }
  const follows = NUMBER[expected]
  const next = DIGIT.test(char)
    ? follows?.digit
    : char === '.'
      ? follows?.point
      : char === 'e' || char === 'E'
        ? follows?.e
        : expected === 'exponent' && (char === '+' || char === '-')
          ? 'exponent-sign'
          : undefined
  if (next !== undefined) state.expected = next
  else if (WHOLE.includes(expected)) {
    endValue(state)
    step(state, char)
  } else state.expected = 'broken'
}
