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
    ['a long private key', `-----BEGIN PRIVATE KEY-----\n${A.repeat(2_000)}\n-----END PRIVATE KEY-----`],
    ['half a long private key', `-----BEGIN PRIVATE KEY-----\n${A.repeat(2_000)}`],
  ])('takes out %s', (_whose, secret) => {
    expect(redact(`before ${secret}`)).toBe(`before ${REDACTED}`)
  })

  test.each([
    ['postgres://user:hunter22@host/db', `postgres://user:${REDACTED}@host/db`],
    ['password = "hunter22"', `password = "${REDACTED}"`],
    ['{"api_key":"abcdefgh"}', `{"api_key":"${REDACTED}"}`],
    [`Authorization: Bearer ${A}`, `Authorization: ${REDACTED}`],
    ['Authorization: Basic dXNlcjpwYXNz', `Authorization: ${REDACTED}`],
    ['{"authorization":"Basic dXNlcjpwYXNz"}', `{"authorization":"${REDACTED}"}`],
    ['DB_PASSWORD=hunter22\nDB_HOST=db', `DB_PASSWORD=${REDACTED}\nDB_HOST=db`],
    ['export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG', `export AWS_SECRET_ACCESS_KEY=${REDACTED}`],
    ['ACME_TOKEN: 0123456789', `ACME_TOKEN: ${REDACTED}`],
    ['ACME_KEY="a b, c"; ls', `ACME_KEY="${REDACTED}"; ls`],
    ['{"clientSecret":"correct horse, battery"}', `{"clientSecret":"${REDACTED}"}`],
    [String.raw`"{\"password\":\"hunter22\",\"b\":1}"`, String.raw`"{\"password\":\"${REDACTED}\",\"b\":1}"`],
    [String.raw`{\\\"api_key\\\": \\\"abcdefgh\\\"}`, String.raw`{\\\"api_key\\\": \\\"${REDACTED}\\\"}`],
  ])('leaves what is around it: %s', (text, rest) => {
    expect(redact(text)).toBe(rest)
  })

  test.each([
    'A plain sentence, with a colon: and a password nobody told.',
    'https://example.com/a?b=c#d',
    'sk-short and risk-averse people',
    'const token = readToken()',
    'A basic understanding of authorization is enough.',
    'MONKEY=business as usual, and KEY = value',
    '{"key":"name","token_count":1234567}',
    'Passwords are bad; secrets, too: nobody keeps them.',
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
    '',
  ])('leaves what is no secret: %s', (text) => {
    expect(redact(text)).toBe(text)
  })

  test('takes no longer for texts that are nothing but beginnings', () => {
    // With a square of its length in it each of these would take hours.
    for (const part of [
      '-----BEGIN PRIVATE KEY',
      '-----BEGIN PRIVATE KEY-----END',
      'password',
      'password="',
      'A_KEY=',
      'A_',
      'eyJ',
      'eyJaaaaaaaa.',
      'Bearer ',
      'authorization: ',
      '://a:',
      '\\',
      '\\"',
    ])
      expect(redact(part.repeat(2_000_000 / part.length)).length).toBeGreaterThan(0)
  })

  test('never makes a text longer than by its marks, and never fails', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (text) => {
        expect(typeof redact(text)).toBe('string')
      }),
    )
  })
})
