import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { json } from '#test/arbitraries/json.ts'
import { canonical, checkCanonical, MAX_DEPTH, type Json } from './canonical.ts'

const refusal = (value: unknown): string => {
  const checked = checkCanonical(value)
  return checked.ok ? 'accepted' : `${checked.error.path}: ${checked.error.reason}`
}

const nested = (depth: number): unknown => {
  let value: unknown = 0
  for (let at = 0; at < depth; at++) value = at % 2 === 0 ? [value] : { a: value }
  return value
}

describe('canonical', () => {
  test('writes keys in order, nothing between tokens, numbers and strings as ECMAScript does', () => {
    expect(canonical({ b: [1, 1.5, -0, 1e21, 1e-7], a: { z: null, é: true, Z: '\u2028"' } })).toBe(
      '{"a":{"Z":"\u2028\\"","z":null,"é":true},"b":[1,1.5,0,1e+21,1e-7]}',
    )
  })

  test('sorts by UTF-16 code units, as RFC 8785 does', () => {
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6']
    const text = canonical(Object.fromEntries(keys.map((key) => [key, 0])))
    expect(Object.keys(JSON.parse(text) as object)).toEqual([
      '1',
      '\r',
      '\u0080',
      '\u00f6',
      '\u20ac',
      '\ud83d\ude00',
      '\ufb33',
    ])
  })

  test('drops members that are undefined', () => {
    expect(canonical({ a: undefined, b: { c: undefined } })).toBe('{"b":{}}')
  })

  test('keeps keys that are special to JavaScript', () => {
    const value = JSON.parse('{"constructor":1,"__proto__":{"polluted":true},"toString":2}') as Json
    expect(canonical(value)).toBe('{"__proto__":{"polluted":true},"constructor":1,"toString":2}')
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test('is a fixed point: reading a canonical text and writing it again changes nothing', () => {
    fc.assert(
      fc.property(json, (value) => canonical(JSON.parse(canonical(value)) as Json) === canonical(value)),
    )
  })

  test('says the same as the value it was made from', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  test('does not depend on the order of insertion', () => {
    const members = fc.uniqueArray(fc.tuple(fc.string(), json), { selector: ([key]) => key, maxLength: 8 })
    fc.assert(
      fc.property(members, (pairs) => {
        const forwards = canonical(Object.fromEntries(pairs))
        expect(canonical(Object.fromEntries(pairs.toReversed()))).toBe(forwards)
      }),
    )
  })

  test('tells different values apart', () => {
    const texts = [
      '{}',
      '[]',
      'null',
      '0',
      '"0"',
      '""',
      '[null]',
      '{"a":null}',
      '[[]]',
      '[{}]',
      'false',
      '{"a":{}}',
    ]
    expect(new Set(texts.map((text) => canonical(JSON.parse(text) as Json))).size).toBe(texts.length)
  })
})

describe('checkCanonical', () => {
  test('accepts whatever JSON can say and the log can keep', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = JSON.stringify(value)
        const checked = checkCanonical(value)
        // The generator makes lone surrogates and NUL never, so nothing else may be refused.
        expect(checked.ok, text).toBe(true)
      }),
    )
  })

  test('makes what it accepted safe to write: the text is JSON', () => {
    fc.assert(
      fc.property(
        fc.anything({ withSparseArray: true, withBigInt: true, withDate: true, withNullPrototype: true }),
        (value) => {
          const checked = checkCanonical(value)
          if (checked.ok) expect(() => JSON.parse(canonical(checked.value)) as unknown).not.toThrow()
        },
      ),
    )
  })

  test.each<[string, unknown]>([
    ['a[0].b: a NUL character', { a: [{ b: 'x\0y' }] }],
    ['(root): a NUL character', { 'x\0': 1 }],
    ['[1]: a lone surrogate', ['ok', '\ud800']],
    ['(root): a lone surrogate', { '\udc00': 1 }],
    ['n: an integer beyond 2^53', { n: 2 ** 53 }],
    ['n: an integer beyond 2^53', { n: -(2 ** 53) - 2 }],
    ['[0]: an integer beyond 2^53', [1e300]],
    ['(root): not a finite number', Number.NaN],
    ['a: not a finite number', { a: Infinity }],
    ['a: bigint has no JSON form', { a: 1n }],
    ['a: symbol has no JSON form', { a: Symbol('s') }],
    ['[0]: function has no JSON form', [() => 1]],
    ['[1]: undefined has no JSON form', [1, undefined]],
    ['(root): undefined has no JSON form', undefined],
  ])('refuses with "%s"', (message, value) => {
    expect(refusal(value)).toBe(message)
  })

  test('refuses a hole in an array', () => {
    // oxlint-disable-next-line no-sparse-arrays
    expect(refusal({ list: [1, , 3] })).toBe('list[1]: undefined has no JSON form')
  })

  test('refuses what is nested too deep, before a reader recurses into it', () => {
    expect(refusal(nested(MAX_DEPTH))).toBe('accepted')
    expect(refusal(nested(MAX_DEPTH + 1))).toMatch(/nested deeper than 32$/)
    expect(refusal(nested(100_000))).toMatch(/nested deeper than 32$/)
  })

  test('refuses what is only an object to JavaScript', () => {
    for (const value of [new Date(0), new Map([[1, 2]]), new Set([1]), /x/, Buffer.from('x')]) {
      expect(refusal({ value })).toMatch(/^value: .*has no JSON form$/)
    }
  })

  test('looks at special keys as at any other', () => {
    expect(refusal(JSON.parse('{"__proto__":{"a":"\\u0000"}}'))).toBe('__proto__.a: a NUL character')
  })
})
