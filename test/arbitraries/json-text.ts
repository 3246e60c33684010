/**
 * JSON as text, the way it may be written: any white space, escapes where none are needed, numbers in every
 * form. For code that reads bytes and builds nothing.
 */
import * as fc from 'fast-check'

const space: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 }) },
)

const hex = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`

/** A piece of a string's inside: plain, escaped in short, or escaped by number (lone surrogates too). */
const piece: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.string({ unit: 'grapheme', maxLength: 6 }).map((text) => JSON.stringify(text).slice(1, -1)),
  },
  { weight: 2, arbitrary: fc.constantFrom('\\"', '\\\\', '\\/', '\\b', '\\f', '\\n', '\\r', '\\t') },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }).map(hex) },
  // What a reader that looks for structure inside of strings would trip over.
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '},{',
      '\\":',
      'model',
      '\\"model\\":\\"x\\"',
      '006',
    ),
  },
)

export const stringText: fc.Arbitrary<string> = fc
  .array(piece, { maxLength: 5 })
  .map((pieces) => `"${pieces.join('')}"`)

const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 20 })
const maybe = (part: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.oneof(fc.constant(''), part)

const numberText: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(
      fc.constant('0'),
      fc.tuple(fc.constantFrom(...'123456789'), maybe(digits)).map((parts) => parts.join('')),
    ),
    maybe(digits.map((fraction) => `.${fraction}`)),
    maybe(
      fc
        .tuple(fc.constantFrom('e', 'E'), fc.constantFrom('', '+', '-'), digits)
        .map((parts) => parts.join('')),
    ),
  )
  .map((parts) => parts.join(''))

const scalarText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('true', 'false', 'null'),
  numberText,
  stringText,
)

const listed = (open: string, close: string, member: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(space, fc.array(fc.tuple(space, member, space), { maxLength: 4 }))
    .map(
      ([empty, members]) =>
        open + (members.length === 0 ? empty : members.map((parts) => parts.join('')).join(',')) + close,
    )

/** Any value, white space around it not included. */
export const valueText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalarText,
    listed('[', ']', tie('value')),
    listed(
      '{',
      '}',
      fc
        .tuple(stringText, space, space, tie('value'))
        .map(([key, before, after, value]) => `${key}${before}:${after}${value}`),
    ),
  ),
})).value

/** A key as it may be spelled: each letter plain or by number, in small or capital digits. */
const spelled = (name: string): fc.Arbitrary<string> =>
  fc
    .tuple(
      ...[...name].map((letter) => {
        const code = hex(letter.charCodeAt(0))
        return fc.oneof(
          { weight: 4, arbitrary: fc.constant(letter) },
          { weight: 1, arbitrary: fc.constantFrom(code, `\\u${code.slice(2).toUpperCase()}`) },
        )
      }),
    )
    .map((letters) => letters.join(''))

/** One member of an object; `name` is what the key says, however it is spelled. */
export type Member = Readonly<{ name: string; key: string; value: string }>

export const member = (name: string, value: fc.Arbitrary<string> = valueText): fc.Arbitrary<Member> =>
  fc.record({ name: fc.constant(name), key: spelled(name).map((letters) => `"${letters}"`), value })

const nameOf = (key: string): string => String(JSON.parse(key))

/** A member whose key is none of those given. */
export const otherMember = (names: readonly string[]): fc.Arbitrary<Member> =>
  fc
    .tuple(stringText, valueText)
    .map(([key, value]) => ({ name: nameOf(key), key, value }))
    .filter(({ name }) => !names.includes(name))

/** An object as text and as bytes, and where each member's value stands, in bytes. */
export type ObjectText = Readonly<{
  text: string
  bytes: Buffer
  members: readonly (Member & Readonly<{ start: number; end: number }>)[]
}>

export const objectText = (members: fc.Arbitrary<readonly Member[]>): fc.Arbitrary<ObjectText> =>
  members.chain((list) =>
    fc
      .tuple(
        space,
        space,
        fc.array(fc.tuple(space, space, space, space), { minLength: list.length, maxLength: list.length }),
      )
      .map(([before, after, gaps]) => written(list, before, after, gaps)),
  )

type Gaps = readonly [string, string, string, string]

function written(list: readonly Member[], before: string, after: string, gaps: readonly Gaps[]): ObjectText {
  let text = `${before}{`
  const members = list.map((one, at) => {
    const [ahead, afterKey, beforeValue, behind] = gaps[at] ?? ['', '', '', '']
    text += `${at === 0 ? '' : ','}${ahead}${one.key}${afterKey}:${beforeValue}`
    const start = Buffer.byteLength(text)
    text += one.value
    const end = Buffer.byteLength(text)
    text += behind
    return { ...one, start, end }
  })
  text += `}${after}`
  return { text, bytes: Buffer.from(text), members }
}

/**
 * What a byte-wise reader may leave to others is the inside of strings: control characters, and escapes that
 * do not exist. @returns the text with every string emptied; whatever is wrong with it now, is wrong with its
 * structure.
 */
const withoutStrings = (bytes: Buffer): string =>
  bytes.toString('latin1').replaceAll(/"(?:\\[^]|[^"\\])*"/g, '""')

/** Is it a JSON object, whatever its strings hold? */
export function isObjectByStructure(bytes: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(withoutStrings(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
