/**
 * JSON values the way hostile and unlucky clients write them: special keys, odd characters, odd numbers.
 */
import * as fc from 'fast-check'
import type { Json } from '#contracts/canonical.ts'

const nastyText = fc.constantFrom(
  '',
  '__proto__',
  'constructor',
  'toString',
  'é',
  'e\u0301',
  '\u2028',
  '"\\\n\t',
  '🎉',
  '\uffff',
  '\u0001',
)

const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
  { weight: 1, arbitrary: nastyText },
)

const nastyNumber = fc.constantFrom(
  0,
  -0,
  1e21,
  1e-7,
  5e-324,
  1.7976931348623157e308,
  2 ** 53 - 1,
  -(2 ** 53) + 1,
  0.1,
  1e15,
)

const number: fc.Arbitrary<number> = fc.oneof(
  fc.maxSafeInteger(),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .filter((value) => !Number.isInteger(value) || Number.isSafeInteger(value)),
  nastyNumber.filter((value) => !Number.isInteger(value) || Number.isSafeInteger(value)),
)

/** Objects have own keys only, `__proto__` among them: what `JSON.parse` makes. */
const objectOf = (member: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  fc
    .array(fc.tuple(text, member), { maxLength: 5 })
    .map(
      (members) =>
        JSON.parse(
          `{${members.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`,
        ) as Json,
    )

/** Any value that the log can hold. */
export const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    number,
    text,
    fc.array(tie('value'), { maxLength: 5 }),
    objectOf(tie('value')),
  ),
})).value
