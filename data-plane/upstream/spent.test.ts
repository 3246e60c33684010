import { expect, test } from 'vitest'
import { NO_TOKENS } from '#contracts/usage/tokens.ts'
import { spentOf } from './spent.ts'

const USAGE = { ...NO_TOKENS, input: 100, output: 10, cacheRead: 40, native: {} }
const REQUEST = Buffer.alloc(400, 'x')

test('a whole answer counts as its provider counted it', () => {
  const { native: _, ...tokens } = USAGE
  expect(spentOf({ usage: USAGE, seen: () => 999 }, true, REQUEST)).toEqual({ tokens, isEstimated: false })
})

test('an answer nobody counted is weighed, request and answer', () => {
  expect(spentOf({ usage: null, seen: () => 7.2 }, true, REQUEST)).toEqual({
    tokens: { ...NO_TOKENS, input: 100, output: 8 },
    isEstimated: true,
  })
})

test('an answer that broke off counts with what was told or seen of it, the larger', () => {
  const told = (seen: number) => spentOf({ usage: USAGE, seen: () => seen }, false, REQUEST)
  expect(told(25)).toMatchObject({ tokens: { input: 100, output: 25, cacheRead: 40 }, isEstimated: true })
  expect(told(5)).toMatchObject({ tokens: { input: 100, output: 10 }, isEstimated: true })
})

test('what is no count counts nothing', () => {
  const usage = { ...USAGE, input: Infinity, output: -1, cacheRead: Number.NaN }
  expect(spentOf({ usage, seen: () => 9 }, true, REQUEST).tokens).toEqual(NO_TOKENS)
})

test('a request without a body costs no input', () => {
  expect(spentOf({ usage: null, seen: () => 0 }, false, null).tokens).toEqual(NO_TOKENS)
})
