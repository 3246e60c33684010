import { describe, expect, test } from 'vitest'
import { MOST_HEAD_BYTES } from '../../http/head-lines.ts'
import { readPlainHead } from './head.ts'

const LINE = 'POST /v1/messages HTTP/1.1'
const LENGTH = 'content-length: 5'
const bytesOf = (...lines: readonly string[]): Buffer =>
  Buffer.from([...lines, '', ''].join('\r\n'), 'latin1')
const read = (...lines: readonly string[]) => readPlainHead(bytesOf(...lines))
/** With what every plain request says. */
const saying = (...lines: readonly string[]) => read(LINE, 'host: a', LENGTH, ...lines)

describe('a plain head', () => {
  test('has its address, its headers, its end and the length of its body', () => {
    const bytes = Buffer.concat([
      bytesOf('POST /a?b=c HTTP/1.1', 'Host: a', 'X-It:\t 1 ', LENGTH),
      Buffer.from('{}'),
    ])
    const head = readPlainHead(bytes)
    expect(head).toMatchObject({ path: '/a?b=c', end: bytes.length - 2, length: 5 })
    expect([head?.headers.get('x-it'), head?.headers.get('host'), head?.headers.get('x')]).toEqual([
      '1',
      'a',
      undefined,
    ])
  })

  test('has a header that came several times once, and tells that it did', () => {
    const headers = saying('x-a: 1', 'x-b: 1', 'X-A: 2')?.headers
    expect([headers?.get('x-a'), headers?.isRepeated('x-a'), headers?.isRepeated('x-b')]).toEqual([
      '1, 2',
      true,
      false,
    ])
    expect(headers?.isRepeated('x-c')).toBe(false)
  })

  test.each([
    'connection: keep-alive',
    'Connection: Keep-Alive',
    'te: trailers',
    'proxy-connection: keep-alive',
    'trooper-service1: close',
    'content-type: application/json',
    'content-encoding: gzip',
    'x-origin: a',
    'xorigin: a',
    'experts: a',
    'downgrade: h2c',
    'x: \xe9\xff',
    'empty:',
  ])('may say %j', (line) => {
    expect(saying(line)).not.toBeNull()
  })

  test.each([
    'connection: close',
    'connection: keep-alive, close',
    'connection: upgrade',
    'connection:',
    'proxy-connection: close',
    'Proxy-Connection: keep-alive, close',
    'upgrade: h2c',
    'expect: 100-continue',
    'origin: https://a.example',
    'Origin: null',
    'transfer-encoding: chunked',
    'Transfer-Encoding: identity',
    'content-length: 5',
    'content-length: 6',
    'host: b',
    ' folded: 1',
    'no colon',
    'blank : 1',
    ': 1',
    'a: \0',
    'a: \x7f',
    'a: 1\nb: 2',
    'a: 1\rb: 2',
    'caf\xe9: 1',
  ])('never says %j', (line) => {
    expect(saying(line)).toBeNull()
  })

  test.each(['5', '0', '00', '007', '999999999999999'])('may say that its body has %s bytes', (length) => {
    expect(read(LINE, 'host: a', `content-length: ${length}`)?.length).toBe(Number(length))
  })

  test.each(['', '-5', '+5', '5, 5', '0x5', '5.0', '5e1', '5 5', '1234567890123456', 'five'])(
    'never says that its body has %j bytes',
    (length) => {
      expect(read(LINE, 'host: a', `content-length: ${length}`)).toBeNull()
    },
  )

  test('has one host and a length', () => {
    expect([read(LINE, LENGTH), read(LINE, 'host: a'), read(LINE)]).toEqual([null, null, null])
  })

  test.each([
    'GET / HTTP/1.1',
    'post / HTTP/1.1',
    'POST / HTTP/1.0',
    'POST / HTTP/1.2',
    'POST / http/1.1',
    'POST / HTTP/1.1 ',
    'POST /HTTP/1.1',
    'POST  HTTP/1.1',
    'POST HTTP/1.1',
    'POST',
    '',
    'POST\t/ HTTP/1.1',
    ' POST / HTTP/1.1',
    '\r\nPOST / HTTP/1.1',
  ])('never begins with %j', (line) => {
    expect(read(line, 'host: a', LENGTH)).toBeNull()
  })

  test('is whole: of none a piece is one', () => {
    const bytes = bytesOf(LINE, 'host: a', LENGTH)
    for (let length = 0; length < bytes.length; length++)
      expect([length, readPlainHead(bytes.subarray(0, length))]).toEqual([length, null])
  })

  test('has a hundred headers at most', () => {
    const more = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `x-${at}: 1`)
    expect(saying(...more(98))).not.toBeNull()
    expect(saying(...more(99))).toBeNull()
  })

  test('is no longer than one of Node’s', () => {
    const long = (length: number): Buffer => {
      const rest = bytesOf(LINE, 'host: a', LENGTH, 'x: ').length
      return bytesOf(LINE, 'host: a', LENGTH, `x: ${'y'.repeat(length - rest)}`)
    }
    expect(readPlainHead(long(MOST_HEAD_BYTES))?.end).toBe(MOST_HEAD_BYTES)
    expect(readPlainHead(long(MOST_HEAD_BYTES + 1))).toBeNull()
  })
})
