import { describe, expect, test } from 'vitest'
import { endOfHeaders, NAME } from './head-lines.ts'
import { Headers, NO_HEADERS } from './headers.ts'

function headers(...lines: readonly string[]): Headers {
  const bytes = Buffer.from(['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n'), 'latin1')
  const places: number[] = []
  expect(endOfHeaders(bytes, 0, bytes.indexOf('\r'), bytes.length, places)).toBe(bytes.length)
  return new Headers(bytes.toString('latin1'), places)
}

describe('a header', () => {
  test.each(['x-it', 'X-It', 'X-IT'])('that came as %s is found by its name in lower case', (name) => {
    expect(headers('x: 1', `${name}: 2`, 'it: 3').get('x-it')).toBe('2')
  })

  test.each(['x-i', 'x-itt', '-it', 'y-it', 'x-iu', 'x0it', ''])('is not found as %j', (name) => {
    expect(headers('x-it: 1').get(name)).toBeUndefined()
  })

  test('is found among others of its length', () => {
    const all = headers('x-limit: 1', 'x-reset: 2', 'x-limiu: 3')
    expect(['x-limit', 'x-reset', 'x-limiu'].map((name) => all.get(name))).toEqual(['1', '2', '3'])
  })

  test('that came several times has a list', () => {
    const all = headers('a: 1', 'b: x', 'A: 2', 'a:')
    expect([all.get('a'), all.get('b')]).toEqual([['1', '2', ''], 'x'])
  })

  test.each<[string, string]>([
    ['is', 'is'],
    [' is', 'is'],
    ['\t is it \t ', 'is it'],
    ['a : b', 'a : b'],
    ['', ''],
    [' \t ', ''],
    ['\xa0\xe9\xa0', '\xa0\xe9\xa0'],
  ])('with %j behind its colon is %j', (text, value) => {
    expect(headers('a: 1', `x:${text}`, 'b: 2').get('x')).toBe(value)
  })
})

test('each letter, digit, hyphen and underscore is found where it stands, and nothing else is taken for it', () => {
  const all = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))
  const inNames = all.filter((one) => NAME.test(one))
  const askedFor = all.filter((one) => /[a-z0-9_-]/.test(one))
  expect([inNames.length, askedFor.length]).toEqual([77, 38])
  for (const name of inNames) {
    const only = headers(`${name}: 1`)
    expect(askedFor.filter((one) => only.get(one) !== undefined)).toEqual(
      askedFor.filter((one) => one === name.toLowerCase()),
    )
  }
})

test('names come in the order of their first, in lower case', () => {
  expect(headers('B_b: 1', 'a: 2', 'b_B: 3', 'C: 4').entries()).toEqual([
    ['b_b', ['1', '3']],
    ['a', '2'],
    ['c', '4'],
  ])
})

test('without a head there are none', () => {
  expect([NO_HEADERS.get('a'), NO_HEADERS.entries()]).toEqual([undefined, []])
})
