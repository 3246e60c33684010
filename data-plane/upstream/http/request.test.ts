import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lengthOf } from '../request-body.ts'
import { Heads, SHORT_BODY_BYTES, type Request } from './request.ts'

const request = (over: Partial<Request> = {}): Request => ({
  method: 'POST',
  path: '/v1/chat/completions',
  headers: ['content-type', 'application/json'],
  credential: ['authorization', 'Bearer sk-1'],
  body: Buffer.from('{}'),
  idleMs: 1_000,
  ...over,
})

const headText = (one: Request, host: string): string | null => textOf(new Heads(host), one)

/** Without the body. */
function textOf(heads: Heads, one: Request): string | null {
  const bytes = heads.bytesOf(one)
  return bytes === null ? null : bytes.toString('latin1', 0, bytes.indexOf('\r\n\r\n') + 4)
}

describe('the head of a request', () => {
  test('has who is asked, who asks, and how much comes', () => {
    expect(headText(request(), 'api.openai.com')).toBe(
      'POST /v1/chat/completions HTTP/1.1\r\nhost: api.openai.com\r\nconnection: keep-alive\r\n' +
        'content-type: application/json\r\nauthorization: Bearer sk-1\r\ncontent-length: 2\r\n\r\n',
    )
  })

  test('counts the bytes of all pieces', () => {
    const body = [Buffer.from('{"a":"'), Buffer.from('é'), Buffer.from('"}')]
    expect(lengthOf(body)).toBe(10)
    expect(headText(request({ body }), 'h')).toMatch(/\r\ncontent-length: 10\r\n\r\n$/)
  })

  test('has the body behind it, where that is short', () => {
    const body = [Buffer.from('{"a":"'), Buffer.from('é\0"}')]
    const short = new Heads('h').bytesOf(request({ body }))
    expect(short?.subarray(-lengthOf(body))).toEqual(Buffer.concat(body))
    const long = Buffer.alloc(SHORT_BODY_BYTES + 1, 'x')
    expect(new Heads('h').bytesOf(request({ body: long }))?.toString()).toMatch(/\r\n\r\n$/)
    expect(new Heads('h').bytesOf(request({ body: long.subarray(1) }))?.toString()).toMatch(/\nx{4096}$/)
  })

  test('says that a body is empty where one is expected, and nothing where none is', () => {
    expect(headText(request({ body: null }), 'h')).toMatch(/\r\ncontent-length: 0\r\n\r\n$/)
    expect(headText(request({ method: 'GET', body: null }), 'h')).not.toMatch(/content-length/)
  })

  test.each<[string, Partial<Request>]>([
    ['a path with a blank', { path: '/a b' }],
    ['a path with a line end', { path: '/a\r\nx: y' }],
    ['a path that is not Latin', { path: '/\u{1f600}' }],
    ['no path', { path: '' }],
    ['a path of another host', { path: 'http://elsewhere/' }],
    ['a value with a line end', { headers: ['a', 'b\r\nc: d'] }],
    ['a value with a line feed', { headers: ['a', 'b\nc: d'] }],
    ['a value with a NUL', { headers: ['a', 'b\0'] }],
    ['a value beyond Latin-1', { headers: ['a', '\u{20ac}'] }],
    ['a name with a blank', { headers: ['a b', 'c'] }],
    ['a name with a colon', { headers: ['a:', 'c'] }],
    ['no name', { headers: ['', 'c'] }],
    ['a second length', { headers: ['Content-Length', '5'] }],
    ['a coding', { headers: ['transfer-encoding', 'chunked'] }],
    ['another host', { credential: ['host', 'elsewhere'] }],
    ['a word about the connection', { headers: ['connection', 'close'] }],
    ['a credential with a line end', { credential: ['authorization', 'Bearer x\r\n'] }],
  ])('with %s cannot be spelled', (_what, over) => {
    expect(headText(request(over), 'h')).toBeNull()
  })

  test('has no more lines than it has headers, whatever they are', () => {
    const odd = fc.constantFrom('', ' ', ':', '\r', '\n', '\r\n', '\0', '\x7f', '\u00e9', '\u20ac', 'host: x')
    const name = fc.oneof({ weight: 9, arbitrary: fc.stringMatching(/^[a-z-]{1,12}$/) }, odd)
    const value = fc
      .array(fc.oneof({ weight: 9, arbitrary: fc.stringMatching(/^[ -~]{0,12}$/) }, odd), { maxLength: 2 })
      .map((parts) => parts.join(''))
    let spelled = 0
    fc.assert(
      fc.property(value, fc.array(fc.tuple(name, value), { maxLength: 4 }), (path, headers) => {
        const one = request({ path: `/${path.replaceAll(' ', '')}`, headers: headers.flat() })
        const text = headText(one, 'h')
        if (text === null) return
        spelled += 1
        expect(text.split(/[\r\n]+/)).toHaveLength(headers.length + 6)
      }),
    )
    // Else it would say nothing.
    expect(spelled).toBeGreaterThan(20)
  })

  test('is spelled anew for whatever is not the same', () => {
    const heads = new Heads('h')
    const [a, b] = [
      ['accept', 'a'],
      ['accept', 'b'],
    ]
    const credential = ['authorization', 'Bearer sk-1']
    const asked = [
      request({ headers: a, credential }),
      request({ headers: b, credential }),
      request({ headers: b, credential, path: '/v1/responses' }),
      request({ headers: b, credential, method: 'GET', body: null }),
      request({ headers: b, credential, body: Buffer.alloc(12) }),
      request({ headers: b, credential: ['authorization', 'Bearer sk-2'] }),
      request({ headers: ['a', 'b\n'], credential }),
      request({ headers: a, credential }),
    ]
    for (const one of [...asked, ...asked.toReversed()]) {
      expect(textOf(heads, one)).toBe(headText(one, 'h'))
      expect(textOf(heads, one)).toBe(headText(one, 'h'))
    }
  })
})
