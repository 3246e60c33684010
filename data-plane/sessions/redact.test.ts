import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { REDACTED, redact } from './redact.ts'

const A = 'A1b2C3d4E5f6G7h8'

describe('redacting', () => {
  test.each([
    ['sk-', `sk-${A}${A}`],
    ['sk-ant-', `sk-ant-api03-${A}`],
    ['ours', `sk-ap-${A}`],
    ['Google', `AIza${A}${A}xyz`],
    ['AWS', 'AKIAIOSFODNN7EXAMPLE'],
    ['GitHub', `ghp_${A}${A}`],
    ['GitHub, fine-grained', `github_pat_${A}_${A}`],
    ['Slack', `xoxb-1234567890-${A}`],
    ['a web token', `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.${A}`],
    ['a private key', `-----BEGIN RSA PRIVATE KEY-----\n${A}\n-----END RSA PRIVATE KEY-----`],
    ['half a private key', `-----BEGIN PRIVATE KEY-----\n${A}`],
  ])('takes out %s', (_whose, secret) => {
    expect(redact(`before ${secret}`)).toBe(`before ${REDACTED}`)
  })

  test.each([
    ['postgres://user:hunter22@host/db', `postgres://user:${REDACTED}@host/db`],
    ['password = "hunter22"', `password = "${REDACTED}"`],
    ['{"api_key":"abcdefgh"}', `{"api_key":"${REDACTED}"}`],
    [`Authorization: Bearer ${A}`, `Authorization: ${REDACTED}`],
  ])('leaves what is around it: %s', (text, rest) => {
    expect(redact(text)).toBe(rest)
  })

  test.each([
    'A plain sentence, with a colon: and a password nobody told.',
    'https://example.com/a?b=c#d',
    'sk-short and risk-averse people',
    'const token = readToken()',
    '',
  ])('leaves what is no secret: %s', (text) => {
    expect(redact(text)).toBe(text)
  })

  test('never makes a text longer than by its marks, and never fails', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (text) => {
        expect(typeof redact(text)).toBe('string')
      }),
    )
  })
})
