import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { valueText } from '#test/arbitraries/json-text.ts'
import { beginningOf, CUT, endsOf } from './clip.ts'

const MOST = 4_096

/** Is `part` of the same build as `whole`, with less in it: strings shorter, lists and objects too? */
function isWithin(part: unknown, whole: unknown): boolean {
  if (typeof part === 'string')
    return typeof whole === 'string' && (part === whole || whole.startsWith(part.replace(CUT, '')))
  if (typeof part !== 'object' || part === null) return Object.is(part, whole)
  if (typeof whole !== 'object' || whole === null || Array.isArray(part) !== Array.isArray(whole))
    return false
  const all = new Map(Object.entries(whole))
  return Object.entries(part).every(([key, value]) => all.has(key) && isWithin(value, all.get(key)))
}

/** No key twice: of two the last counts, which may be cut off. */
const plainText = valueText.map((text) => JSON.stringify(JSON.parse(text)))
const anyText = fc.oneof(valueText, plainText)
/** Any text may be cut, but what it says then is compared where no key comes twice. */
const isSaid = (part: string, whole: string): boolean =>
  isWithin(JSON.parse(part), JSON.parse(whole)) || whole !== JSON.stringify(JSON.parse(whole))

const chat = (contents: readonly string[], more: object = {}): object => ({
  model: 'm',
  messages: contents.map((content) => ({ role: 'user', content })),
  ...more,
})
type Chat = { messages: { content: string }[] }
const contentsOf = (text: string): string[] =>
  (JSON.parse(text) as Chat).messages.map(({ content }) => content)

describe('the beginning of a JSON text', () => {
  test('is JSON wherever it ends, and says nothing that the text does not', () => {
    fc.assert(
      fc.property(anyText, fc.nat(300), (value, most) => {
        const text = `{"":[${value}]}`
        expect(isSaid(beginningOf(Buffer.from(text), most + 1), text)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  test('is all of it where there is room', () => {
    fc.assert(
      fc.property(valueText, (value) => {
        expect(beginningOf(Buffer.from(`{"":${value}}`), Infinity)).toBe(`{"":${value}}`)
      }),
    )
  })

  test('of bytes that end anywhere is JSON, too', () => {
    fc.assert(
      fc.property(anyText, fc.nat(), (value, cut) => {
        const bytes = Buffer.from(`{"":[${value}]}`)
        const cutOff = bytes.subarray(0, 1 + (cut % bytes.length))
        expect(isSaid(beginningOf(cutOff, MOST), bytes.toString())).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  test('cuts a text between words', () => {
    const json = Buffer.from(`{"text":"${'word '.repeat(2_000)}"}`)
    const { text } = JSON.parse(beginningOf(json, 1_003)) as { text: string }
    expect(text).toMatch(/^(?:word )+word\uFFFF$/)
  })
})

describe('both ends of a JSON text', () => {
  test('are all of it, long strings cut, where that has room', () => {
    const picture = 'A'.repeat(3_000_000)
    const { text, isWhole } = endsOf(
      Buffer.from(JSON.stringify(chat(['first', picture, 'last']))),
      1024 * 1024,
    )
    const [first, middle = '', last] = contentsOf(text)
    expect([isWhole, first, last]).toEqual([true, 'first', 'last'])
    expect([middle.length < 70_000, middle.endsWith(CUT)]).toEqual([true, true])
  })

  test('are what stands before the list, and its newest elements', () => {
    const contents = Array.from({ length: 1_000 }, (_, at) => `turn ${at} "quoted\\" ]},{[`)
    const json = JSON.stringify(chat(contents, { tools: [{ name: 't' }], max_tokens: 9 }))
    const { text, isWhole } = endsOf(Buffer.from(json), MOST)
    const kept = contentsOf(text)
    expect([isWhole, text.length <= MOST, kept.length > 20]).toEqual([false, true, true])
    expect(kept).toEqual(contents.slice(-kept.length))
    expect(JSON.parse(text)).toMatchObject({ model: 'm', tools: [{ name: 't' }], max_tokens: 9 })
  })

  test('meet where another list fills the text', () => {
    const long = Array.from({ length: 1_000 }, (_, at) => ({ text: `rule ${at}` }))
    const json = JSON.stringify({ model: 'm', system: long, messages: [{ role: 'user', content: 'hi' }] })
    const { text } = endsOf(Buffer.from(json), MOST)
    expect(contentsOf(text)).toEqual(['hi'])
  })

  test('hold long strings of the newest elements, as far as there is room', () => {
    const contents = [
      'old '.repeat(400_000),
      ...Array.from({ length: 30 }, () => 'new '.repeat(30_000)),
      'newest',
    ]
    const { text } = endsOf(Buffer.from(JSON.stringify(chat(contents))), 1024 * 1024)
    const kept = contentsOf(text)
    expect([kept.at(-1), kept.length > 3, text.length <= 1024 * 1024]).toEqual(['newest', true, true])
    for (const content of kept.slice(0, -1)) expect(content).toMatch(/^(?:new )+new\uFFFF$/)
  })

  test('say nothing that the text does not, and are JSON', () => {
    fc.assert(
      fc.property(
        fc.array(plainText, { maxLength: 12 }),
        fc.integer({ min: 40, max: 400 }),
        (values, most) => {
          const elements = values.map((value, at) => `{"at":${at},"value":${value}}`)
          const json = `{"model":"m","list":[${elements.join(',')}],"end":true}`
          const { text } = endsOf(Buffer.from(json), most)
          const { list } = JSON.parse(text) as { list?: { at?: number; value?: unknown }[] }
          for (const { at = -1, value } of list ?? [])
            if (value !== undefined) expect(isWithin(value, JSON.parse(values[at] ?? 'null'))).toBe(true)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test.each([
    ['backslashes', '\\\\'.repeat(200_000)],
    ['quotes', '\\"'.repeat(200_000)],
    ['escaped escapes', '\\\\\\"'.repeat(100_000)],
    ['characters of four bytes', '😀'.repeat(100_000)],
    ['an opening that nothing closes', '['.repeat(400_000)],
  ])('are JSON though a string is full of %s', (_what, inner) => {
    const json = `{"messages":[{"content":"a"},{"content":"${inner}"},{"content":"b"}]}`
    for (const most of [1_000, 100_000]) {
      const kept = contentsOf(endsOf(Buffer.from(json), most).text)
      expect(kept.length).toBeGreaterThan(0)
      expect(kept.join('').isWellFormed()).toBe(true)
    }
  })
})
