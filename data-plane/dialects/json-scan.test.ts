import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isObjectByStructure, member, objectText, otherMember } from '#test/arbitraries/json-text.ts'
import { isObject, parseJson } from './canonical/json.ts'
import { scanTopLevel, type Spans } from './json-scan.ts'

const NAMES = ['model', 'stream'] as const

const scan = (text: string) => scanTopLevel(Buffer.from(text), NAMES)

/** Each wanted key any number of times, among others, in any order. */
const anyMembers = fc.array(
  fc.oneof(member('model'), member('stream'), otherMember(NAMES), otherMember(NAMES)),
  { maxLength: 6 },
)
const anyObject = objectText(anyMembers)

describe('spans', () => {
  test('are those of the values that JSON.parse sees, however keys are spelled', () => {
    fc.assert(
      fc.property(anyObject, ({ bytes, members }) => {
        const parsed = JSON.parse(bytes.toString()) as Record<string, unknown>
        const found = NAMES.map((name) => members.filter((one) => one.name === name))
        const spans = scanTopLevel(bytes, NAMES)
        if (found.some((ones) => ones.length > 1)) {
          expect(spans).toBe('duplicate_key')
          return
        }
        const expected = found.flatMap(([one]) => (one === undefined ? [-1, -1] : [one.start, one.end]))
        expect([...spans]).toEqual(expected)
        for (const [at, name] of NAMES.entries()) {
          const [one] = found[at] ?? []
          expect(Object.hasOwn(parsed, name)).toBe(one !== undefined)
          if (one !== undefined)
            expect(JSON.parse(bytes.toString('utf8', one.start, one.end))).toEqual(parsed[name])
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test.each([
    ['{}', [-1, -1, -1, -1]],
    [' \r\n\t{ } ', [-1, -1, -1, -1]],
    ['{"model":"a"}', [9, 12, -1, -1]],
    ['{"stream":true,"model":"a"}', [23, 26, 10, 14]],
    ['{"mode":1,"modell":2,"Model":3}', [-1, -1, -1, -1]],
    ['{"a":{"model":"inner"},"b":["model","x"]}', [-1, -1, -1, -1]],
    ['{"\\u006dodel":"a"}', [14, 17, -1, -1]],
    ['{"model\\u0000":"a"}', [-1, -1, -1, -1]],
    ['{"a":"\\\\","model":"b"}', [18, 21, -1, -1]],
    ['{"a":"\\"model\\":1","model":[]}', [27, 29, -1, -1]],
  ])('of %j', (text, expected) => {
    expect([...scan(text)]).toEqual(expected)
  })
})

describe('a key that is there twice', () => {
  test.each([
    '{"model":1,"model":1}',
    '{"model":1,"\\u006Dodel":1}',
    '{"\\u006d\\u006f\\u0064\\u0065\\u006c":1,"a":[],"model":2}',
    '{"stream":true,"a":{"stream":1},"strea\\u006d":false}',
  ])('is refused: %s', (text) => {
    expect(scan(text)).toBe('duplicate_key')
  })

  test('does not matter when it is none of those asked for', () => {
    expect(scan('{"a":1,"a":2,"model":3}')).toBeInstanceOf(Array)
  })
})

describe('what is not a JSON object', () => {
  test.each(['', ' ', '[]', '"model"', '1', 'null', '\ufeff{}', '{', '}', '\u00a0{}'])(
    'is refused: %j',
    (text) => {
      expect(typeof scan(text)).toBe('string')
    },
  )

  test.each([
    '{"a":1,}',
    '{,}',
    '{"a"}',
    '{"a":}',
    '{"a" 1}',
    '{a:1}',
    "{'a':1}",
    '{"a":1 "b":2}',
    '{"a":1}}',
    '{"a":1}{}',
    '{"a":1} x',
    '{"a":[1,]}',
    '{"a":[,1]}',
    '{"a":[1 2]}',
    '{"a":[}',
    '{"a":{]}',
    '{"a":[1}',
    '{"a":{"b"}}',
    '{"a":{"b":}}',
    '{"a":{,}}',
    '{"a":{"b":1,}}',
    '{"a":01}',
    '{"a":1.}',
    '{"a":.1}',
    '{"a":-}',
    '{"a":+1}',
    '{"a":1e}',
    '{"a":1e+}',
    '{"a":0x1}',
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":--1}',
    '{"a":tru}',
    '{"a":TRUE}',
    '{"a":nulll}',
    '{"a":undefined}',
    '{"a":"}',
    '{"a":"\\"}',
    '{"a":"\\\\\\"}',
    '{"a":/**/1}',
    '{"a":1//\n}',
  ])('is refused: %s', (text) => {
    expect(scan(text)).toBe('malformed')
    expect(() => JSON.parse(text)).toThrow()
  })

  test('is refused at every place where a valid one is cut short', () => {
    fc.assert(
      fc.property(anyObject, ({ bytes }) => {
        const closed = bytes.toString('latin1').trimEnd().length
        for (let end = 0; end < closed; end++)
          expect(typeof scanTopLevel(bytes.subarray(0, end), NAMES)).toBe('string')
      }),
      { numRuns: 100 },
    )
  })

  // Exempt is the inside of strings, and nothing else: what agrees with JSON once every string is emptied.
  test('is told from a valid one whatever byte is put wherever, outside of strings', () => {
    const body = Buffer.from('{"model":"a\\"","b":[-1.5e+3,{"c":[true,null],"d":{}}],\n"stream":false,"e":0}')
    for (let at = 0; at < body.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const changed = Buffer.from(body)
        changed[at] = byte
        judgeLikeJson(changed)
      }
    }
  })

  test('is told from a valid one after any change, loss or gain of a byte', () => {
    const change = fc.constantFrom('replace', 'remove', 'insert')
    fc.assert(
      fc.property(anyObject, fc.nat(), fc.nat(255), change, ({ bytes }, place, byte, how) => {
        const at = place % bytes.length
        const rest = bytes.subarray(how === 'insert' ? at : at + 1)
        judgeLikeJson(
          Buffer.concat([bytes.subarray(0, at), Buffer.from(how === 'remove' ? [] : [byte]), rest]),
        )
      }),
      { numRuns: 3_000 },
    )
  })
})

function judgeLikeJson(bytes: Buffer): void {
  const spans = scanTopLevel(bytes, NAMES)
  // As a body is read that is too long to be copied.
  expect(scanTopLevel(bytes, NAMES, null)).toEqual(spans)
  const isWhole = isObjectByStructure(bytes)
  if (isWhole !== (typeof spans !== 'string')) {
    // The only other reason to refuse a well-formed object.
    expect([spans, bytes.toString('latin1')]).toEqual(['duplicate_key', expect.any(String)])
  }
  if (typeof spans !== 'string') expectWhatJsonSees(bytes, spans)
}

function expectWhatJsonSees(bytes: Buffer, spans: Spans): void {
  const parsed = parseJson(bytes.toString())
  // Strings that JSON does not know are the upstream's to refuse.
  if (!isObject(parsed)) return
  for (const [index, name] of NAMES.entries()) {
    const [start = -1, end = -1] = spans.slice(index * 2)
    expect(Object.hasOwn(parsed, name)).toBe(start !== -1)
    if (start !== -1) expect(parseJson(bytes.toString('utf8', start, end))).toEqual(parsed[name])
  }
}

describe('depth', () => {
  const nested = (depth: number, open: string, close: string): string =>
    `{"a":${open.repeat(depth)}1${close.repeat(depth)},"model":"x"}`

  test.each([
    ['[', ']'],
    ['{"a":', '}'],
  ])('of 200 levels of %s is read, of 201 refused', (open, close) => {
    expect(scan(nested(200, open, close))).toBeInstanceOf(Array)
    expect(scan(nested(201, open, close))).toBe('too_deep')
  })

  test('of a million levels costs no stack and no time', () => {
    expect(scan(`{"a":${'['.repeat(1_000_000)}`)).toBe('too_deep')
  })
})

describe('long strings', () => {
  // The inside of a string is read in two ways, byte by byte and by search: the change must not be seen.
  test.each([0, 1, 14, 15, 16, 17, 18, 600, 2_000_000])(
    'of %i bytes end at their quote, whatever backslashes come before it',
    (length) => {
      for (const ahead of ['', '\\"', '\\\\\\"']) {
        for (let backslashes = 0; backslashes < 6; backslashes++) {
          const value = `"${ahead}${'x'.repeat(length)}${'\\'.repeat(backslashes)}"`
          const isClosed = backslashes % 2 === 0
          expect(typeof scan(`{"a":${value}}`)).toBe(isClosed ? 'object' : 'string')
          if (isClosed)
            expect([...scan(`{"model":${value},"b":"\\""}`)]).toEqual([9, 9 + value.length, -1, -1])
        }
      }
    },
  )
})
