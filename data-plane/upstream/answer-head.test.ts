import { expect, test } from 'vitest'
import { withoutCredential } from './answer-head.ts'

test.each([
  ['authorization', 'Bearer sk-secret-of-ours'],
  ['Authorization', 'bearer sk-secret-of-ours'],
  ['x-api-key', 'sk-secret-of-ours'],
  ['x-goog-api-key', 'sk-secret-of-ours'],
  ['api-key', 'sk-secret-of-ours'],
])('what a provider repeats of the credential in %s is hidden: %j', (name, value) => {
  const text = '{"error":"bad sk-secret-of-ours, not sk-secret-of-ours"}'
  expect(withoutCredential(text, ['anthropic-version', '2023-06-01', name, value])).toBe(
    '{"error":"bad [redacted], not [redacted]"}',
  )
})

test('a credential that JSON escapes is hidden too', () => {
  const text = JSON.stringify({ error: 'bad a"b\\\\c-secret' })
  expect(withoutCredential(text, ['x-api-key', 'a"b\\\\c-secret'])).toBe('{"error":"bad [redacted]"}')
})

test('other words stay as they are', () => {
  const text = 'version 2023-06-01, key'
  expect(withoutCredential(text, ['anthropic-version', '2023-06-01', 'x-api-key', 'key'])).toBe(text)
})
