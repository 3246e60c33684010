import { format, inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Secret } from './secret.ts'

const TEXT = 'sk-canary-7f3a'
const secret = new Secret(TEXT)
const holder = { nested: { apiKey: secret }, list: [secret] }

/** Every way a value ends up in a log, an answer or an error. */
const printed: readonly (readonly [string, () => string])[] = [
  ['a template', () => `${secret}`],
  ['a concatenation', () => 'key: ' + String(secret)],
  ['String()', () => String(secret)],
  ['JSON', () => JSON.stringify(secret)],
  ['JSON of a holder', () => JSON.stringify(holder)],
  ['JSON with a replacer', () => JSON.stringify(holder, (_key, value: unknown) => value, 2)],
  ['inspection', () => inspect(secret)],
  ['deep inspection', () => inspect(holder, { depth: 9, showHidden: true, getters: true })],
  [
    'inspection without custom code',
    () => inspect(holder, { depth: 9, showHidden: true, customInspect: false }),
  ],
  ['%s', () => format('%s', secret)],
  ['%o and %O', () => format('%o %O', secret, holder)],
  ['%j', () => format('%j', holder)],
  ['an error message', () => String(new Error(`refused: ${secret}`, { cause: secret }))],
  ['an inspected error', () => inspect(Object.assign(new Error('x', { cause: holder }), { secret }))],
  [
    'its keys',
    () => JSON.stringify([Object.keys(secret), Object.getOwnPropertyNames(secret), Reflect.ownKeys(secret)]),
  ],
  [
    'a copy',
    () => JSON.stringify([{ ...secret }, Object.assign({}, secret), structuredClone({ ...secret })]),
  ],
  ['locale text', () => secret.toLocaleString()],
  ['a list', () => [secret, secret].join()],
  ['a URL', () => new URLSearchParams({ key: String(secret) }).toString()],
]

describe('a secret', () => {
  test.each(printed)('does not show in %s', (_how, print) => {
    expect(print()).not.toContain(TEXT)
  })

  test('is told only when asked for by name', () => {
    expect(secret.reveal()).toBe(TEXT)
  })

  test('cannot be changed by what it is written into', () => {
    expect(`${new Secret('')}`).toBe(`${secret}`)
  })
})
