import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { valueText } from '#test/arbitraries/json-text.ts'
import { openJsonPrefix } from './json-prefix.ts'

const prefixOf = (...pieces: string[]): string => {
  const push = openJsonPrefix()
  return pieces.map(push).join('')
}

/** Can it still become JSON? As the engine's own parser sees it: it stumbles at the very end, or not at all. */
function canGrow(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    const { message } = error as SyntaxError
    const place = /position (\d+)/.exec(message)?.[1]
    return message.startsWith('Unexpected end') || Number(place) === text.length
  }
}

describe('the part of growing JSON that can still become a value', () => {
  test('is all of it, for every beginning of a value', () => {
    fc.assert(
      fc.property(valueText, fc.nat(), (text, cut) => {
        const beginning = text.slice(0, cut % (text.length + 1))
        expect(prefixOf(beginning)).toBe(beginning)
      }),
    )
  })

  test.each([
    ["{'a':1}", '{'],
    ['{"a":1]', '{"a":1'],
    ['{"a":01}', '{"a":0'],
    ['{"a":1.}', '{"a":1.'],
    ['{"a":1e+}', '{"a":1e+'],
    ['{"a":-x}', '{"a":-'],
    ['{"a":nul}', '{"a":nul'],
    ['{"a":"\\x"}', '{"a":"\\'],
    ['{"a":"\\u00g0"}', '{"a":"\\u00'],
    ['{"a":"b\nc"}', '{"a":"b'],
    ['{"a":1,}', '{"a":1,'],
    ['[1,]', '[1,'],
    ['{"a"=1}', '{"a"'],
    ['{} {}', '{} '],
    ['{}{}', '{}'],
    ['undefined', ''],
  ])('of %j is %j', (text, prefix) => {
    expect(prefixOf(text)).toBe(prefix)
  })

  test('is the same however the text is cut, and nothing follows the first mistake', () => {
    const spoiled = fc.tuple(valueText, fc.nat(), fc.constantFrom("'", '}', ',', '\\', '0', '\n', 'x', '"'))
    fc.assert(
      fc.property(spoiled, ([text, at, char]) => {
        const place = at % (text.length + 1)
        const given = text.slice(0, place) + char + text.slice(place)
        const whole = prefixOf(given)
        expect(prefixOf(...given)).toBe(whole)
        expect(given.startsWith(whole)).toBe(true)
        expect(canGrow(whole)).toBe(true)
        if (whole !== given) expect(canGrow(given.slice(0, whole.length + 1))).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})
