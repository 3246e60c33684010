import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { find, needlesOf } from './search.ts'

/** With characters that every encoding writes differently. */
const SECRET = 'cnry "quoted" é/+~ \n 7f3a9c'
const base64 = (before: string, secret: string | Buffer = SECRET): string =>
  Buffer.concat([Buffer.from(before), Buffer.from(secret), Buffer.from(' after')]).toString('base64')

describe('a planted leak is found', () => {
  const hex = Buffer.from(SECRET).toString('hex')
  test.each([
    ['raw', SECRET],
    ['JSON-escaped', JSON.stringify({ text: SECRET })],
    ['JSON-escaped', String.raw`{"text":"cnry \"quoted\" \u00e9/+~ \n 7f3a9c"}`],
    ['URL-encoded', `/path?text=${encodeURIComponent(SECRET)}`],
    ['URL-encoded', new URLSearchParams({ text: 'a b:c' }).toString(), 'a b:c'],
    ['hex', hex],
    ['hex', String.raw`\x` + hex.toUpperCase()],
    ['base64 +0', base64('')],
    ['base64 +1', base64('x')],
    ['base64 +2', base64('xy')],
    ['base64 +0', base64('xyz')],
    ['base64 +1', base64('xyz ').replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')],
  ])('%s, in the middle of other bytes: %j', (encoding, leak, secret = SECRET) => {
    const hay = Buffer.concat([randomBytes(1_000), Buffer.from(leak), randomBytes(1_000)])
    expect(find(needlesOf(secret), hay)).toEqual([encoding])
  })

  test.each(['utf8', 'hex', 'base64', 'base64url'] as const)(
    'of bytes that are no text, as %s',
    (encoding) => {
      const key = Buffer.from('00ff80fe7fc328a0a1e28ca1fbefbe3e3f', 'hex')
      const hay = encoding === 'utf8' ? key : Buffer.from(key.toString(encoding))
      expect(find(needlesOf(key), hay)).toHaveLength(1)
    },
  )

  test('as often as it is there', () => {
    expect(find(needlesOf('secret-1'), Buffer.from('secret-1, secret-1secret-1'))).toEqual([
      'raw',
      'raw',
      'raw',
    ])
  })
})

test('what is not the secret is not found', () => {
  const near = `${SECRET.slice(1)} ${SECRET.slice(0, -1)} ${base64('', SECRET.slice(2))} ${randomBytes(9_000).toString('base64')}`
  expect(find(needlesOf(SECRET), Buffer.from(near))).toEqual([])
  expect(find(needlesOf(SECRET), Buffer.alloc(0))).toEqual([])
})
