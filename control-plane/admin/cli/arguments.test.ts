import { describe, expect, test } from 'vitest'
import { readGlobalOptions } from './arguments.ts'

const read = (...argv: readonly string[]) => readGlobalOptions(argv)

describe('the options every command has', () => {
  test('are taken out wherever they stand', () => {
    expect(read('--url', 'http://a', 'providers', '--json', 'list', '--limit', '3')).toEqual({
      ok: true,
      value: { json: true, url: 'http://a', input: null, rest: ['providers', 'list', '--limit', '3'] },
    })
  })

  test('may carry their value behind an equals sign', () => {
    expect(read('x', '--url=http://a?b=c', '--input={"a":"="}')).toMatchObject({
      value: { url: 'http://a?b=c', input: '{"a":"="}', rest: ['x'] },
    })
  })

  test('want their values', () => {
    expect(read('x', '--url')).toEqual({ ok: false, error: '--url wants a value' })
    expect(read('--input=', 'x')).toEqual({ ok: false, error: '--input wants a value' })
  })

  test('end at two dashes', () => {
    expect(read('x', '--', '--json', '--url')).toMatchObject({
      value: { json: false, rest: ['x', '--', '--json', '--url'] },
    })
  })

  test('are not what only begins like them', () => {
    expect(read('--urls', '--json-lines')).toMatchObject({
      value: { json: false, url: null, rest: ['--urls', '--json-lines'] },
    })
  })
})
