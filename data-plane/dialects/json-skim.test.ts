import * as fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import {
  member,
  objectText,
  otherMember,
  valueText,
  type Member,
  type ObjectText,
} from '#test/arbitraries/json-text.ts'
import { scanTopLevel } from './json-scan.ts'
import { skimTopLevel } from './json-skim.ts'

const NAMES = ['model', 'stream'] as const

/** Stands for 9 KB in generated bodies, so that a counterexample can be read. */
const PAD = '#pad#'
const padded = ({ text }: ObjectText): Buffer => Buffer.from(text.replaceAll(PAD, 'x'.repeat(9_000)))

/** Text that looks like the edges of a body, from inside of a string. */
const decoy = fc.constantFrom(
  '}]',
  '],\\"model\\":\\"x\\"',
  '\\\\',
  '\\\\\\"',
  '\\u006dodel',
  '006',
  '},{',
  ',model:stream',
  'plain words ',
  'é🎉',
)

/** A member with a large container: what a body mostly is. */
const large: fc.Arbitrary<Member> = fc
  .tuple(
    fc.constantFrom('messages', 'tools', 'input'),
    fc.array(decoy, { maxLength: 4 }),
    fc.array(decoy, { maxLength: 4 }),
    fc.array(fc.constantFrom('model', 'stream', 'content'), { maxLength: 2 }),
  )
  .map(([name, before, after, inner]) => ({
    name,
    key: `"${name}"`,
    value: `[{"role":"user","content":"${before.join('')}${PAD}${after.join('')}"}${inner.map((key) => `,{"${key}":"${key}"}`).join('')}]`,
  }))

const others = fc.array(otherMember(NAMES), { maxLength: 2 })
const perhaps = (one: fc.Arbitrary<Member>): fc.Arbitrary<readonly Member[]> =>
  fc.array(one, { maxLength: 1 })
/** Spelled plainly: see below what becomes of the other spellings. */
const stream = valueText.map((value): Member => ({ name: 'stream', key: '"stream"', value }))

/** Puts each of `members` somewhere between, before or behind the large ones. */
const around = (members: readonly Member[], larges: readonly Member[]): fc.Arbitrary<ObjectText> =>
  fc
    .array(fc.nat(larges.length), { minLength: members.length, maxLength: members.length })
    .chain((places) => {
      const gap = (place: number): readonly Member[] => members.filter((_member, at) => places[at] === place)
      return objectText(
        fc.constant([...larges.flatMap((one, at) => [...gap(at), one]), ...gap(larges.length)]),
      )
    })

describe('a body of more than 8 KiB', () => {
  const bodies = fc
    .tuple(perhaps(member('model')), perhaps(stream), others, fc.array(large, { minLength: 1, maxLength: 3 }))
    .chain(([model, streams, rest, larges]) => around([...model, ...streams, ...rest], larges))

  test('is read as by the full scan', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        const bytes = padded(body)
        JSON.parse(bytes.toString())
        const full = scanTopLevel(bytes, NAMES)
        expect(full).toBeInstanceOf(Array)
        expect([...skimTopLevel(bytes, NAMES)]).toEqual([...full])
      }),
      { numRuns: 2_000 },
    )
  })

  test('that names its model twice is never accepted, whichever way it is spelled and wherever it stands', () => {
    const twice = fc
      .tuple(member('model'), member('model'), others, fc.array(large, { minLength: 1, maxLength: 4 }))
      .chain(([one, two, rest, larges]) => around([one, two, ...rest], larges))
    fc.assert(
      fc.property(twice, (body) => {
        expect(skimTopLevel(padded(body), NAMES)).toBe('duplicate_key')
      }),
      { numRuns: 2_000 },
    )
  })

  // The price of not searching for it: the upstream may be asked for the other form of answer than we wait
  // for. It costs an attempt, counts against nobody, and the model is still the one that was checked.
  test('may hide a second stream, or one spelled by number, between large members', () => {
    const big = `[${JSON.stringify('x'.repeat(9_000))}]`
    const hidden = Buffer.from(`{"model":"a","stream":false,"messages":${big},"stream":true,"tools":${big}}`)
    expect([...skimTopLevel(hidden, NAMES)]).toEqual([9, 12, 22, 27])
    const spelled = Buffer.from(`{"model":"a","messages":${big},"\\u0073tream":true,"tools":${big}}`)
    expect([...skimTopLevel(spelled, NAMES)]).toEqual([9, 12, -1, -1])
  })

  test('is read or refused, but never misread, when a byte of it is changed, lost or gained', () => {
    fc.assert(
      fc.property(
        bodies,
        fc.nat(),
        fc.boolean(),
        fc.nat(255),
        fc.constantFrom(0, 1),
        (body, place, atEnd, byte, skip) => {
          const bytes = padded(body)
          // Near the edges, where the skim reads; further in, it does not.
          const at = atEnd ? bytes.length - 1 - (place % 300) : place % 300
          const changed = Buffer.concat([
            bytes.subarray(0, at),
            Buffer.from([byte]),
            bytes.subarray(at + skip),
          ])
          const spans = skimTopLevel(changed, NAMES)
          if (typeof spans === 'string') return
          for (const [index, name] of NAMES.entries()) {
            const [start = -1, end = -1] = spans.slice(index * 2)
            if (start === -1) continue
            // A span is one whole value, behind its own key and a colon.
            expect([
              ...scanTopLevel(
                Buffer.concat([Buffer.from('{"model":'), changed.subarray(start, end), Buffer.from('}')]),
                NAMES,
              ),
            ]).toEqual([9, 9 + end - start, -1, -1])
            const ahead = /"((?:[^"\\]|\\.)*)"[ \r\n\t]*:[ \r\n\t]*$/.exec(
              changed.toString('latin1', 0, start).slice(-200),
            )
            expect(JSON.parse(`"${ahead?.[1]}"`)).toBe(name)
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test.each([
    [
      'a second one between two large members',
      (big: string) => `{"model":"a","messages":${big},"model":"b","tools":${big}}`,
    ],
    [
      'a second one spelled by number there',
      (big: string) =>
        `{"model":"a","messages":${big},"\\u006D\\u006f\\u0064\\u0065\\u006C":"b","tools":${big}}`,
    ],
    [
      'a second one with one letter by number there',
      (big: string) => `{"model":"a","messages":${big},"mode\\u006c":"b","tools":${big}}`,
    ],
    [
      'both between two large members',
      (big: string) => `{"messages":${big},"model":"a","model":"b","tools":${big}}`,
    ],
    ['one at each end', (big: string) => `{"model":"a","messages":${big},"model":"b"}`],
    [
      'one at each end, spelled by number',
      (big: string) => `{"m\\u006fdel":"a","messages":${big},"mod\\u0065l":"b"}`,
    ],
    ['the second as an object', (big: string) => `{"model":"a","messages":${big},"model":{}}`],
    ['the first as a large member', (big: string) => `{"model":${big},"model":"b"}`],
    ['the second as a large member', (big: string) => `{"model":"b","a":1,"model":${big}}`],
    [
      'white space between key and colon',
      (big: string) => `{"model":"a","messages":${big},"model" \n:"b","tools":${big}}`,
    ],
  ])('is refused with %s', (_what, body) => {
    const bytes = Buffer.from(body(`[${JSON.stringify('x'.repeat(9_000))}]`))
    JSON.parse(bytes.toString())
    expect(skimTopLevel(bytes, NAMES)).toBe('duplicate_key')
  })

  test.each([
    ['a string that ends like a body', '"user":"]}"'],
    ['a string that looks like a member', '"user":"],\\"model\\":\\"x\\"}"'],
    ['a string of backslashes', '"user":"\\\\\\\\"'],
    ['a string of escaped quotes', '"user":"\\"\\"\\""'],
    ['a number with an exponent', '"temperature":-1.5E+3'],
    ['literals', '"a":true,"b":false,"c":null'],
    ['an empty key', '"":0'],
    ['a key of quotes', '"\\"":0'],
    ['a last member as long as the edge', `"user":"${'u'.repeat(4_096)}"`],
    ['white space longer than the edge', `"user":1${' '.repeat(5_000)}`],
  ])('with %s behind its messages is read as by the full scan', (_what, tail) => {
    const messages = `"messages":[${JSON.stringify('x'.repeat(9_000))}]`
    for (const text of [
      `{"model":"m",${messages},${tail}}`,
      `{${messages},${tail},"stream":true,"model":"m"}`,
      `{${tail},"model":"m",${messages}}`,
    ]) {
      const bytes = Buffer.from(text)
      expect([...skimTopLevel(bytes, NAMES)]).toEqual([...scanTopLevel(bytes, NAMES)])
    }
  })

  test.each(['{}', '[]', '"x"', 'x', '{"a":1', '{"a"', '{', '}', '{"messages":[]'])(
    'that is %s and then white space is judged by the full scan',
    (text) => {
      const bytes = Buffer.from(text + ' '.repeat(9_000))
      expect(skimTopLevel(bytes, NAMES)).toEqual(scanTopLevel(bytes, NAMES))
    },
  )

  test('that is cut short in plain text or behind it is refused', () => {
    const bytes = Buffer.from(
      `{"model":"m","messages":[${JSON.stringify('words '.repeat(2_000))}],"a":"}","b":{"c":"}"},"stream":true}`,
    )
    for (let end = 0; end < bytes.length; end += end > 8_000 && end < bytes.length - 80 ? 61 : 1) {
      expect(typeof skimTopLevel(bytes.subarray(0, end), NAMES)).toBe('string')
    }
  })

  test('made of nothing but false hits is searched a hundred times, and then left to the full scan', () => {
    const bytes = Buffer.from(`{"model":"m","messages":[${JSON.stringify('006'.repeat(1_000_000))}]}`)
    const search = vi.spyOn(Buffer.prototype, 'indexOf')
    try {
      skimTopLevel(bytes, NAMES)
      // The scan itself searches for quotes, and hardly ever in text like this.
      expect(search.mock.calls.length).toBeGreaterThan(100)
      expect(search.mock.calls.length).toBeLessThan(200)
    } finally {
      search.mockRestore()
    }
    expect(skimTopLevel(bytes, NAMES)).toEqual(scanTopLevel(bytes, NAMES))
  })
})
