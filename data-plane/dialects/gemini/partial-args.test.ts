import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import { PartialArgs } from './partial-args.ts'

function collect(pieces: readonly JsonObject[]): string | null {
  const args = new PartialArgs()
  let text = ''
  for (const piece of pieces) {
    const grown = args.push(piece)
    if (grown === null) return null
    text += grown
  }
  return text + args.end()
}

/** The pieces in which Vertex tells a value: each leaf with its path, texts in two and an empty end. */
function piecesOf(value: JsonValue, path: string): JsonObject[] {
  if (typeof value === 'string') {
    const half = [...value].slice(0, Math.ceil([...value].length / 2)).join('')
    return [
      { jsonPath: path, stringValue: half, willContinue: true },
      { jsonPath: path, stringValue: value.slice(half.length), willContinue: true },
      { jsonPath: path, stringValue: '' },
    ]
  }
  if (typeof value === 'number') return [{ jsonPath: path, numberValue: value }]
  if (typeof value === 'boolean') return [{ jsonPath: path, boolValue: value }]
  if (value === null) return [{ jsonPath: path, nullValue: 'NULL_VALUE' }]
  if (Array.isArray(value))
    return value.flatMap((one: JsonValue, index) => piecesOf(one, `${path}[${index}]`))
  return Object.entries(value as JsonObject).flatMap(([key, one]) => {
    const plain = /^[A-Za-z_]\w*$/.test(key)
    const step = plain ? `.${key}` : `['${key.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}']`
    return piecesOf(one ?? null, path + step)
  })
}

const leaf = fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean(), fc.constant(null))
const { tree } = fc.letrec<{ tree: JsonValue }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
    fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), tie('tree'), { minKeys: 1, maxKeys: 3 }),
  ),
}))

describe('arguments by path', () => {
  it('make the JSON they describe', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1 }), tree, { minKeys: 1, maxKeys: 4 }), (value) => {
        const plain = JSON.parse(JSON.stringify(value)) as JsonObject
        const text = collect(piecesOf(plain, '$'))
        expect(JSON.parse(text ?? 'null')).toEqual(plain)
      }),
    )
  })

  it('are empty when none came', () => {
    expect(collect([])).toBe('')
  })

  it('end a text that was left open', () => {
    expect(collect([{ jsonPath: '$.a', stringValue: 'x', willContinue: true }])).toBe('{"a":"x"}')
    expect(
      collect([
        { jsonPath: '$.a', stringValue: 'x', willContinue: true },
        { jsonPath: '$.b[0]', numberValue: 1 },
      ]),
    ).toBe('{"a":"x","b":[1]}')
  })

  it.each([
    ['comes back', ['$.a.b', '$.c', '$.a.d']],
    ['is told twice', ['$.a', '$.a']],
    ['skips an item', ['$.a[1]']],
    ['is a list where an object was', ['$.a.b', '$.a[0]']],
    ['names nothing', ['$']],
    ['is no path', ['a.b']],
    ['is broken', ['$.a[x]']],
  ])('are refused when a path %s', (_what, paths) => {
    expect(collect(paths.map((jsonPath) => ({ jsonPath, numberValue: 1 })))).toBeNull()
  })
})
