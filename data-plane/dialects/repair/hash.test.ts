import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { shortHash } from './hash.ts'

test('a hash is as long as asked for, of small letters and digits, and the same every time', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 40 }), (text, length) => {
      const hash = shortHash(text, length)
      expect(hash).toMatch(/^[a-z0-9]+$/)
      expect(hash).toHaveLength(length)
      expect(shortHash(text, length)).toBe(hash)
    }),
  )
})

test('a longer hash begins with the shorter one', () => {
  expect(shortHash('call_1', 24).startsWith(shortHash('call_1', 9))).toBe(true)
})

test('a hundred thousand counted ids have no hash of nine characters in common', () => {
  const hashes = new Set(Array.from({ length: 100_000 }, (_value, index) => shortHash(`call_${index}`, 9)))
  expect(hashes.size).toBe(100_000)
})

test('hashes never change: a conversation outlives the release that began it', () => {
  expect(shortHash('toolu_01A09q90qw90lq917835lq9', 24)).toBe('nsb493qr2x8eq21vfsh8wk1e')
})
