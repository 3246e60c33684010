import { describe, expect, test } from 'vitest'
import { ListedHeaders } from '../../http/request-headers.ts'
import { convertedHeaders, nativeHeaders } from './request-headers.ts'

const sent = (headers: Readonly<Record<string, string>>): ListedHeaders =>
  new ListedHeaders(Object.entries(headers).flat())
const named = (headers: readonly string[]): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]] as const] : [])))

const OURS = { 'content-type': 'application/json', 'accept-encoding': 'identity', 'user-agent': 'apiproxy' }
const CLIENTS = {
  authorization: 'Bearer sk-client',
  'x-api-key': 'sk-client',
  cookie: 'a=b',
  'content-length': '7',
  'openai-beta': 'assistants=v2',
  'openai-organization': 'org-1',
  'anthropic-beta': 'files-api',
  'anthropic-version': '2026-10-21',
  'idempotency-key': 'once',
  'x-stainless-lang': 'js',
}

describe('an upstream of the client’s own dialect is told', () => {
  test.each([
    ['openai-chat', { 'openai-beta': 'assistants=v2', 'idempotency-key': 'once' }],
    ['openai-responses', { 'openai-beta': 'assistants=v2', 'idempotency-key': 'once' }],
    [
      'anthropic',
      { 'anthropic-beta': 'files-api', 'anthropic-version': '2026-10-21', 'idempotency-key': 'once' },
    ],
    ['gemini', {}],
  ] as const)('what its API defines, and nothing else, in %s', (dialect, passed) => {
    expect(named(nativeHeaders(dialect, sent(CLIENTS), false))).toEqual({
      ...OURS,
      accept: 'application/json',
      ...passed,
    })
  })

  test.each([
    ['openai-chat', 'openai-beta'],
    ['openai-chat', 'idempotency-key'],
    ['openai-responses', 'openai-beta'],
    ['openai-responses', 'idempotency-key'],
    ['anthropic', 'anthropic-beta'],
    ['anthropic', 'anthropic-version'],
    ['anthropic', 'idempotency-key'],
  ] as const)('in %s of a client that says nothing but %s', (dialect, name) => {
    expect(named(nativeHeaders(dialect, sent({ [name]: 'said' }), false))).toMatchObject({
      ...OURS,
      [name]: 'said',
    })
    const twice = new ListedHeaders([name, 'a', name, 'b'])
    expect(named(nativeHeaders(dialect, twice, false))[name]).toBe('a, b')
  })

  test('of the version that Anthropic wants where the client names none', () => {
    const version = { 'anthropic-version': '2023-06-01' }
    for (const own of [{}, { 'anthropic-beta': 'files-api' }])
      expect(named(nativeHeaders('anthropic', sent(own), true))).toEqual({
        ...OURS,
        accept: 'text/event-stream',
        ...version,
        ...own,
      })
  })
})

test('an upstream of another dialect is told what the writer of the body asks for', () => {
  const own = ['anthropic-version', '2023-06-01', 'anthropic-beta', 'x']
  expect(named(convertedHeaders(true, own))).toEqual({
    ...OURS,
    accept: 'text/event-stream',
    'anthropic-version': '2023-06-01',
    'anthropic-beta': 'x',
  })
  expect(named(convertedHeaders(false, []))).toEqual({ ...OURS, accept: 'application/json' })
})

test('who asks alike is given the same list, which nobody has changed', () => {
  const before = named(nativeHeaders('anthropic', sent({}), false))
  nativeHeaders('anthropic', sent(CLIENTS), false)
  nativeHeaders('openai-chat', sent(CLIENTS), false)
  convertedHeaders(false, ['a', 'b'])
  expect(named(nativeHeaders('anthropic', sent({}), false))).toEqual(before)
  expect(nativeHeaders('anthropic', sent({}), false)).toBe(nativeHeaders('anthropic', sent({}), false))
  expect(nativeHeaders('gemini', sent({}), true)).toBe(convertedHeaders(true, []))
})
