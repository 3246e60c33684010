import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MOST_HEAD_BYTES } from '../../http/head-lines.ts'
import { readHead, type Head } from './head.ts'

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')

/** @param text without the empty line at its end. @returns null: it is no head. */
function read(text: string): Head | null {
  const head = readHead(bytesOf(`${text}\r\n`), 0)
  expect(head).not.toBe('incomplete')
  return typeof head === 'string' ? null : head
}

const head = (...lines: readonly string[]) => read(['HTTP/1.1 200 OK', ...lines, ''].join('\r\n'))

describe('a head', () => {
  test('has its status, its headers in lower case, and lists of what came several times', () => {
    const limited = read(
      'HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nX-Limit:\t 7 \t\r\n' +
        'Set-Cookie: a=1\r\nset-cookie: b=2\r\nSET-COOKIE: c=3\r\nempty:\r\ncontent-length: 12\r\n',
    )
    expect(limited).toMatchObject({ status: 429, framing: 'length', length: 12, isKept: true, keptMs: null })
    expect(limited?.headers.entries()).toEqual([
      ['content-type', 'application/json'],
      ['x-limit', '7'],
      ['set-cookie', ['a=1', 'b=2', 'c=3']],
      ['empty', ''],
      ['content-length', '12'],
    ])
  })

  test.each([['HTTP/1.1 200\r\n'], ['HTTP/1.1 200 \r\n'], ['HTTP/1.1 299 Quite fine, \xe9h?\r\n']])(
    'may begin with %j',
    (text) => {
      expect(read(text)?.framing).toBe('close')
    },
  )

  test.each([
    ['HTTP/2 200 OK\r\n'],
    ['HTTP/1.2 200 OK\r\n'],
    ['http/1.1 200 OK\r\n'],
    [' HTTP/1.1 200 OK\r\n'],
    ['HTTP/1.1  200 OK\r\n'],
    ['HTTP/1.1 20 OK\r\n'],
    ['HTTP/1.1 2000 OK\r\n'],
    ['HTTP/1.1 099 OK\r\n'],
    ['HTTP/1.1 200OK\r\n'],
    ['HTTP/1.1 200 OK\n'],
    ['\r\n'],
    [''],
    ['<html>\r\n'],
  ])('does not begin with %j', (text) => {
    expect(read(text)).toBeNull()
  })

  test.each([
    ['a name without a value', 'name'],
    ['no name', ': value'],
    ['a blank before the colon', 'name : value'],
    ['a line that goes on', 'name: value\r\n more'],
    ['a line feed alone', 'name: value\nother: value'],
    ['a carriage return alone', 'name: value\rother: value'],
    ['a NUL', 'name: val\0ue'],
    ['another control character', 'name: val\x7fue'],
    ['a name that is none', 'na(me: value'],
    ['a name in Latin-1', 'n\xe4me: value'],
  ])('with %s is none', (_what, line) => {
    expect(head(line)).toBeNull()
  })

  test('may name what objects have by nature', () => {
    const named = head('constructor: a', '__proto__: b', 'toString: c')
    expect(named?.headers.get('constructor')).toBe('a')
    expect(named?.headers.entries()).toEqual([
      ['constructor', 'a'],
      ['__proto__', 'b'],
      ['tostring', 'c'],
    ])
  })

  test('that was spelled is read as it was', () => {
    const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,20}$/)
    const value = fc.stringMatching(
      /^([\x21-\x7e\xa1-\xff]([\t\x20-\x7e\xa1-\xff]{0,30}[\x21-\x7e\xa1-\xff])?)?$/,
    )
    const blank = fc.constantFrom('', ' ', '\t ', '   ')
    fc.assert(
      fc.property(fc.array(fc.tuple(name, blank, value, blank), { maxLength: 20 }), (all) => {
        const own = all.filter(([one]) => !/^(content-length|transfer-encoding)$/i.test(one))
        const spelled = head(...own.map(([one, before, what, after]) => `${one}:${before}${what}${after}`))
        const wanted = Map.groupBy(own, ([one]) => one.toLowerCase())
        expect(spelled?.headers.entries().map(([one, what]) => [one, [what].flat()])).toEqual(
          [...wanted].map(([one, those]) => [one, those.map(([, , what]) => what)]),
        )
      }),
    )
  })
})

describe('a body', () => {
  test.each<[string, readonly string[], string, number]>([
    ['goes on for its length', ['content-length: 5'], 'length', 5],
    ['may be empty', ['content-length: 0'], 'length', 0],
    ['comes in chunks', ['Transfer-Encoding: Chunked'], 'chunked', 0],
    ['of no length ends with the connection', ['content-type: text/plain'], 'close', 0],
  ])('%s', (_what, lines, framing, length) => {
    expect(head(...lines)).toMatchObject({ framing, length })
  })

  test.each([
    [['content-length: 5', 'content-length: 6']],
    [['content-length: 5', 'Content-Length: 5']],
    [['content-length: 5, 5']],
    [['content-length: +5']],
    [['content-length: -5']],
    [['content-length: 0x5']],
    [['content-length: 5.0']],
    [['content-length:']],
    [['content-length: 1234567890123456']],
    [['content-length: 5', 'transfer-encoding: chunked']],
    [['transfer-encoding: chunked', 'transfer-encoding: chunked']],
    [['transfer-encoding: gzip, chunked']],
    [['transfer-encoding: chunked, identity']],
    [['transfer-encoding: identity']],
    [['transfer-encoding:']],
  ])('has no end that everybody agrees on with %j', (lines) => {
    expect(head(...lines)).toBeNull()
  })

  test.each([100, 103, 199, 204, 304])('is none under %i', (status) => {
    const of = (line: string) => read(`HTTP/1.1 ${status} Any\r\n${line}\r\n`)
    expect(of('x: y')).toMatchObject({ framing: 'length', length: 0, isKept: true })
    expect(of('content-length: 0')).toMatchObject({ framing: 'length', length: 0, isKept: true })
    // Whoever says that there is one may send it.
    for (const line of ['content-length: 5', 'content-length: x', 'transfer-encoding: chunked'])
      expect(of(line)).toMatchObject({ framing: 'length', length: 0, isKept: false })
  })

  test('of a server of HTTP/1.0 may come in chunks, and nothing comes after it', () => {
    expect(read('HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n')).toMatchObject({
      framing: 'chunked',
      isKept: false,
    })
  })
})

describe('what has no end yet', () => {
  test.each([
    'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n',
    'HTTP/1.0 999\r\n\r\n',
    'HTTP/1.1 404 \r\nempty:\r\nx-It:\tis\xe9 \r\n\r\n',
  ])('may be the beginning of a head, up to any byte of %j', (text) => {
    for (let length = 0; length < text.length; length++)
      expect([length, readHead(bytesOf(text.slice(0, length)), 0)]).toEqual([length, 'incomplete'])
    expect(readHead(bytesOf(text), 0)).toMatchObject({ end: text.length })
  })

  test.each([
    ['SSH-2.0-OpenSSH_9.2\r\n'],
    ['<html>'],
    ['\0\0\x12\x04\0'],
    ['HTTP/2'],
    ['h'],
    ['\n'],
    ['HTTP/1.1 200 OK\ncontent-length: 0\n\n'],
    ['HTTP/1.1 200 OK\r\ncontent-length: 0\n'],
    ['HTTP/1.1 200 OK\rc'],
    ['HTTP/1.1 200 OK\0'],
    ['HTTP/1.1 0'],
    ['HTTP/1.1 2000'],
    ['HTTP/1.1 200\n'],
    ['HTTP/1.1 200 OK\r\n '],
    ['HTTP/1.1 200 OK\r\n:'],
    ['HTTP/1.1 200 OK\r\nname '],
    ['HTTP/1.1 200 OK\r\nname\r'],
    ['HTTP/1.1 200 OK\r\nname: \x1f'],
    ['HTTP/1.1 200 OK\r\n\rn'],
  ])('is none with %j', (text) => {
    expect(readHead(bytesOf(text), 0)).toBe('malformed')
  })
})

describe('a long head', () => {
  /** So long with its empty line. */
  const long = (length: number): Buffer => {
    const begin = 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: '
    return bytesOf(`${begin}${'y'.repeat(length - begin.length - 4)}\r\n\r\n`)
  }
  const before = bytesOf('HTTP/1.1 100 Go\r\n\r\n')

  test('is one up to its most bytes, whatever comes before and behind it', () => {
    const most = long(MOST_HEAD_BYTES)
    expect(readHead(most, 0)).toMatchObject({ end: MOST_HEAD_BYTES, length: 3 })
    expect(readHead(Buffer.concat([before, most, bytesOf('yes')]), before.length)).toMatchObject({
      end: before.length + MOST_HEAD_BYTES,
      length: 3,
    })
    expect(readHead(long(MOST_HEAD_BYTES + 1), 0)).toBe('malformed')
    expect(readHead(Buffer.concat([before, long(MOST_HEAD_BYTES + 1)]), before.length)).toBe('malformed')
  })

  test('is waited for up to its most bytes', () => {
    const longer = long(MOST_HEAD_BYTES + 10)
    const upTo = (length: number) => readHead(longer.subarray(0, length), 0)
    expect([upTo(MOST_HEAD_BYTES), upTo(MOST_HEAD_BYTES + 1)]).toEqual(['incomplete', 'malformed'])
    const behind = (length: number) =>
      readHead(Buffer.concat([before, longer.subarray(0, length)]), before.length)
    expect([behind(MOST_HEAD_BYTES), behind(MOST_HEAD_BYTES + 1)]).toEqual(['incomplete', 'malformed'])
  })
})

describe('a connection', () => {
  const sized = 'content-length: 0'
  test.each<[string, boolean]>([
    [`HTTP/1.1 200 OK\r\n${sized}\r\n`, true],
    [`HTTP/1.1 200 OK\r\n${sized}\r\nconnection: keep-alive\r\n`, true],
    [`HTTP/1.1 200 OK\r\n${sized}\r\nconnection: close\r\n`, false],
    [`HTTP/1.1 200 OK\r\n${sized}\r\nConnection: Keep-Alive, Close\r\n`, false],
    [`HTTP/1.1 200 OK\r\n${sized}\r\nconnection: upgrade\r\nconnection: close\r\n`, false],
    [`HTTP/1.0 200 OK\r\n${sized}\r\n`, false],
    [`HTTP/1.0 200 OK\r\n${sized}\r\nconnection: keep-alive\r\n`, false],
    ['HTTP/1.1 200 OK\r\n', false],
  ])('after %j is kept: %s', (text, isKept) => {
    expect(read(text)?.isKept).toBe(isKept)
  })

  test.each<[string, number | null]>([
    ['timeout=5', 5_000],
    ['timeout=5, max=100', 5_000],
    ['max=100, Timeout=60', 60_000],
    ['max=100', null],
    ['timeout=soon', null],
  ])('whose server says keep-alive: %s is kept for %s ms', (value, keptMs) => {
    expect(head(sized, `keep-alive: ${value}`)?.keptMs).toBe(keptMs)
  })
})
