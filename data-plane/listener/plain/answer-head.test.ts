import { describe, expect, test } from 'vitest'
import { answerHead, hasNoLength } from './answer-head.ts'

describe('the head of an answer', () => {
  test('has its status, its headers, and what closes it', () => {
    expect(answerHead(429, ['a', '1', 'b', ''], false, 'date: now\r\n')).toBe(
      'HTTP/1.1 429 Too Many Requests\r\na: 1\r\nb: \r\ndate: now\r\n\r\n',
    )
    expect(answerHead(599, [], false, '')).toBe('HTTP/1.1 599 Unknown\r\n\r\n')
  })

  test('says so where its body comes in chunks', () => {
    expect(answerHead(200, [], true, 'x: y\r\n')).toBe(
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx: y\r\n\r\n',
    )
  })

  test.each(['\n', '\r', '\0', 'a\r\nset-cookie: b', '\x1f', '\x7f', '\u0100', '😀'])(
    'has no value with %j in it',
    (text) => {
      expect(() => answerHead(200, ['a', `x${text}y`], false, '')).toThrow(/'a'/)
    },
  )

  test.each(['\t', ' ', '~', '\x80', '\xff'])('may have a value with %j in it', (text) => {
    expect(answerHead(200, ['a', `x${text}y`], false, '')).toContain(`x${text}y`)
  })
})

test('an answer has no length where it says none', () => {
  expect(hasNoLength(['content-type', 'content-length', 'x', 'y'])).toBe(true)
  expect(hasNoLength(['a', 'b', 'content-length', '3'])).toBe(false)
})
