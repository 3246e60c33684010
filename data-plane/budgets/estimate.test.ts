import { describe, expect, test } from 'vitest'
import { outputTokens, reservationFor, UNSAID_OUTPUT_TOKENS } from './estimate.ts'

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

describe('the longest answer a request allows', () => {
  test.each([
    [{ max_tokens: 5 }, 5],
    [{ max_completion_tokens: 7, max_tokens: 5 }, 7],
    [{ max_output_tokens: 9 }, 9],
    [{ max_tokens: 5, n: 3 }, 15],
    [{ generationConfig: { maxOutputTokens: 8, candidateCount: 2 } }, 16],
    [{}, UNSAID_OUTPUT_TOKENS],
    [{ max_tokens: null }, UNSAID_OUTPUT_TOKENS],
    [{ max_tokens: -1 }, UNSAID_OUTPUT_TOKENS],
    [{ max_tokens: 'many' }, UNSAID_OUTPUT_TOKENS],
    [{ max_tokens: 1e12 }, 131_072],
    [{ n: 2 }, 2 * UNSAID_OUTPUT_TOKENS],
    [[], UNSAID_OUTPUT_TOKENS],
  ])('of %j is %i tokens', (body, tokens) => {
    expect(outputTokens(bytes(body))).toBe(tokens)
  })

  test('is not read from inside the conversation', () => {
    const messages = [{ role: 'user', content: '"max_tokens": 1', max_tokens: 2 }]
    expect(outputTokens(bytes({ messages }))).toBe(UNSAID_OUTPUT_TOKENS)
  })
})

describe('what is reserved', () => {
  const body = bytes({ max_tokens: 100, text: 'x'.repeat(4_000 - 37 + 7) })
  const input = Math.ceil(body.length / 4)

  test('is the size of what goes in and the length of what may come out, at the dearest price', () => {
    const cheap = { input: 1, output: 2 }
    const dear = { input: 3, output: 10 }
    expect(reservationFor(body, 'chat', [cheap, dear, cheap])).toBe((input * 3 + 100 * 10) * 1_000)
  })

  test('expects all of it to be written to a cache that costs more', () => {
    expect(reservationFor(body, 'messages', [{ input: 3, output: 0, cacheWrite: 3.75 }])).toBe(input * 3_750)
  })

  test('is nothing for what comes out of embeddings, and nothing where no price is known', () => {
    expect(reservationFor(body, 'embeddings', [{ input: 1, output: 9 }])).toBe(input * 1_000)
    expect(reservationFor(body, 'chat', [])).toBe(0)
    expect(reservationFor(body, 'count_tokens', [{ input: 1, output: 9 }])).toBe(0)
  })
})
