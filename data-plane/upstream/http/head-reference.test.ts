/**
 * The reader of heads against a simple one, over heads as they should be and spoiled.
 */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NAME } from '../../http/head-lines.ts'
import { readHead, type Head } from './head.ts'
import type { HeaderValue } from '../../http/headers.ts'

type Told = Readonly<Omit<Head, 'headers'> & { headers: [string, HeaderValue][] }>

/** What is the same about two heads that are. */
function told(read: ReturnType<typeof readHead>): Told | 'incomplete' | 'malformed' {
  return typeof read === 'string' ? read : { ...read, headers: read.headers.entries() }
}

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('a head', () => {
  test('is what a simple reader takes for one, is waited for as long as it may become one, and no longer', () => {
    const counts = { head: 0, incomplete: 0, malformed: 0 }
    fc.assert(
      fc.property(fc.oneof(texts(), spoiled()), before(), (text, front) => {
        const wanted = reference(text)
        counts[typeof wanted === 'string' ? wanted : 'head'] += 1
        const moved =
          typeof wanted === 'string' ? wanted : { ...wanted, end: bytesOf(front).length + wanted.end }
        expect(told(readHead(bytesOf(front + text), front.length))).toEqual(moved)
      }),
      { numRuns: 5_000 },
    )
    // Else it would say little.
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(300)
  })

  test('is the same whole and in two pieces, and what follows it is as it was', () => {
    fc.assert(
      fc.property(texts(), (text) => {
        const bytes = bytesOf(text)
        const whole = told(readHead(bytes, 0))
        if (typeof whole === 'string') return
        for (let cut = 0; cut < whole.end; cut++) {
          const kept = bytes.subarray(0, cut)
          expect([cut, readHead(kept, 0)]).toEqual([cut, 'incomplete'])
          expect(told(readHead(Buffer.concat([kept, bytes.subarray(cut)]), 0))).toEqual(whole)
        }
        expect(bytes.toString('latin1')).toBe(text)
        expect(text.indexOf('\r\n\r\n')).toBe(whole.end - 4)
      }),
      { numRuns: 200 },
    )
  })
})

/** What stands before a head in the same bytes. */
const before = () => fc.constantFrom('', 'x', 'HTTP/1.1 100 Go\r\n\r\n', 'HTTP/1.1 200 OK\r\n\xff\0')

const LINES = [
  'content-length: 5',
  'Content-Length:\t17 ',
  'content-length: 0',
  'content-length: +5',
  'content-length: 123456789012345',
  'content-length: 1234567890123456',
  'content-length: 5/',
  'content-length: 5:',
  'content-length:',
  'Transfer-Encoding: Chunked',
  'transfer-encoding: gzip, chunked',
  'connection: keep-alive',
  'Connection: x, Close ',
  'connection: closed',
  'keep-alive: timeout=5, max=100',
  'Keep-Alive: max=100; Timeout=60',
  'keep-alive: stimeout=5',
  'set-cookie: a=1',
  'SET-cookie:b=2',
  '__proto__: \xe9\xa0',
  'x-it:\t is\tit \t',
  'x: a: b',
  "!#$%&'*+.^_`|~09azAZ-: x",
]

function texts() {
  const line = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...LINES) },
    { weight: 1, arbitrary: fc.stringMatching(/^[!-9;-~]{1,9}:[\t -~\xa0-\xff]{0,20}$/) },
  )
  const first = fc
    .tuple(
      fc.constantFrom('0', '1', '1', '1'),
      fc.oneof(fc.constantFrom(200, 204, 304, 101), fc.integer({ min: 100, max: 999 })),
      fc.constantFrom('', ' ', ' OK', ' Not so\t\xe9'),
    )
    .map(([version, status, reason]) => `HTTP/1.${version} ${status}${reason}`)
  const body = fc.constantFrom('', 'yes', '\r\n\r\n', '\0\xff\n', 'HTTP/1.1 200 OK\r\n\r\n')
  return fc
    .tuple(first, fc.array(line, { maxLength: 6 }), body)
    .map(([begin, lines, rest]) => `${[begin, ...lines].join('\r\n')}\r\n\r\n${rest}`)
}

/** Some characters are others, missing or too many, or it breaks off. */
function spoiled() {
  const other = fc.oneof(
    fc.constantFrom(
      '\r',
      '\n',
      '\r\n',
      '\r\n\r\n',
      '\t',
      ' ',
      ':',
      ',',
      '0',
      '9',
      '/',
      'content-length: 3\r\n',
    ),
    fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  )
  const spoil = fc.tuple(fc.constantFrom('cut', 'drop', 'put', 'replace'), fc.nat(10_000), other)
  return fc.tuple(texts(), fc.array(spoil, { minLength: 1, maxLength: 3 })).map(([text, spoils]) => {
    let now = text
    for (const [how, place, what] of spoils) {
      const at = place % (now.length + 1)
      const rest = now.slice(how === 'drop' || how === 'replace' ? at + 1 : at)
      now = now.slice(0, at) + (how === 'put' || how === 'replace' ? what : '') + (how === 'cut' ? '' : rest)
    }
    return now
  })
}

/** Says what a reader must say. */
function reference(text: string): Told | 'incomplete' | 'malformed' {
  const parts = partsOf(text)
  if (parts !== null) return headOf(parts) ?? 'malformed'
  const endings = [BEGINNING.slice(text.length), '\r\n\r\n', '\n\r\n', '\r\n', '\n', ':\r\n\r\n']
  return endings.some((ending) => partsOf(text + ending) !== null) ? 'incomplete' : 'malformed'
}

type Parts = Readonly<{ status: number; isNew: boolean; headers: Map<string, HeaderValue>; end: number }>

const BEGINNING = 'HTTP/1.1 200\r\n\r\n'
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: .*)?$/
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/

/** By its grammar. */
function partsOf(text: string): Parts | null {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return null
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const line = STATUS_LINE.exec(first)
  if (line === null || FORBIDDEN.test(text.slice(0, end))) return null
  const headers = new Map<string, HeaderValue>()
  for (const one of lines) {
    const [, raw = '', rest = ''] = /^([^:]*):(.*)$/.exec(one) ?? []
    if (!NAME.test(raw)) return null
    const name = raw.toLowerCase()
    const value = rest.replaceAll(/^[\t ]+|[\t ]+$/g, '')
    headers.set(name, headers.has(name) ? [headers.get(name) ?? [], value].flat() : value)
  }
  return { status: Number(line[2]), isNew: line[1] === '1', headers, end: end + 4 }
}

function headOf({ status, isNew, headers, end }: Parts): Told | null {
  const [length, coding] = [headers.get('content-length'), headers.get('transfer-encoding')]
  const isClosed = /(^|,)\s*close\s*(,|$)/i.test(String(headers.get('connection') ?? ''))
  const seconds = /(?:^|[\s,;])timeout=(\d{1,9})/i.exec(String(headers.get('keep-alive') ?? ''))?.[1]
  const keptMs = seconds === undefined ? null : Number(seconds) * 1_000
  const head = { status, headers: [...headers], end, length: 0, isKept: isNew && !isClosed, keptMs }
  if (status < 200 || status === 204 || status === 304) {
    const isKept = head.isKept && coding === undefined && (length ?? '0') === '0'
    return { ...head, framing: 'length', isKept }
  }
  if (coding !== undefined) {
    const isChunked = length === undefined && !Array.isArray(coding) && /^chunked$/i.test(coding)
    return isChunked ? { ...head, framing: 'chunked' } : null
  }
  if (length === undefined) return { ...head, framing: 'close', isKept: false }
  if (Array.isArray(length) || !/^\d{1,15}$/.test(length)) return null
  return { ...head, framing: 'length', length: Number(length) }
}
