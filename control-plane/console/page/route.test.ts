import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hashOf, readRoute } from './route.ts'

describe('a place in the console', () => {
  test('is an address, and what is empty is not in it', () => {
    expect(hashOf(['requests'], { key: 'a b', model: '', failed: undefined })).toBe('#/requests?key=a%20b')
    expect(hashOf(['models', 'vendor/m:1'])).toBe('#/models/vendor%2Fm%3A1')
    expect(hashOf([])).toBe('#/')
  })

  test('is the same after a reload, whatever things are called', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1 })
    fc.assert(
      fc.property(fc.array(name), fc.dictionary(name, name), (path, query) => {
        const { path: again, query: asked } = readRoute(hashOf(path, query))
        expect(again).toEqual(path)
        expect([...asked]).toEqual(Object.entries(query))
      }),
    )
  })

  test('is read from whatever somebody wrote there', () => {
    fc.assert(fc.property(fc.string(), (hash) => void readRoute(hash)))
    expect(readRoute('')).toEqual({ path: [], query: new Map() })
    expect(readRoute('#/keys/%E0%A4%A?a=%').query).toEqual(new Map([['a', '']]))
  })
})
