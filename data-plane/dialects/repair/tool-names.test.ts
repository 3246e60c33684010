import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fitToolNames } from './tool-names.ts'

const OPENAI = { length: 64, pattern: 'openai' } as const
const GEMINI = { length: 64, pattern: 'gemini' } as const

describe('fitToolNames', () => {
  test('names that fit stay, and need no way back', () => {
    const names = fitToolNames(['get_weather', 'look-up'], OPENAI)
    expect(names.sent('get_weather')).toBe('get_weather')
    expect(names.back.size).toBe(0)
  })

  test('dots and colons are fit for Gemini, a digit in front is not', () => {
    const names = fitToolNames(['mcp.files:read', '2nd'], GEMINI)
    expect(names.sent('mcp.files:read')).toBe('mcp.files:read')
    expect(names.sent('2nd')).toMatch(/^_2nd_[a-z0-9]{8}$/)
  })

  test('what can be read of a name stays in front', () => {
    expect(fitToolNames(['mcp.files/read'], OPENAI).sent('mcp.files/read')).toMatch(
      /^mcp_files_read_[a-z0-9]{8}$/,
    )
  })

  test('a name of the history that no tool has is fitted as well', () => {
    expect(fitToolNames([], OPENAI).sent('a.b')).toBe(fitToolNames(['a.b'], OPENAI).sent('a.b'))
  })

  test('a changed name never becomes the name of another tool', () => {
    const taken = fitToolNames(['a.b'], OPENAI).sent('a.b')
    const names = fitToolNames(['a.b', taken], OPENAI)
    expect(names.sent(taken)).toBe(taken)
    expect(names.sent('a.b')).not.toBe(taken)
    expect(names.back.get(names.sent('a.b'))).toBe('a.b')
  })

  test('whatever the names, each is sent as one that fits and comes back as itself', () => {
    const form = fc.record({
      length: fc.constantFrom(20, 64, 128),
      pattern: fc.constantFrom('openai' as const, 'gemini' as const),
    })
    const name = fc.oneof(fc.string({ minLength: 1 }), fc.string({ minLength: 60, maxLength: 150 }))
    fc.assert(
      fc.property(form, fc.array(name), (wanted, names) => {
        const fitted = fitToolNames(names, wanted)
        const sent = names.map((one) => fitted.sent(one))
        expect(new Set(sent).size).toBe(new Set(names).size)
        sent.forEach((one, index) => {
          expect(one).toMatch(
            wanted.pattern === 'openai' ? /^[A-Za-z0-9_-]+$/ : /^[A-Za-z_][A-Za-z0-9_.:-]*$/,
          )
          expect(one.length).toBeLessThanOrEqual(wanted.length)
          expect(fitted.back.get(one) ?? one).toBe(names[index])
        })
      }),
    )
  })
})
