import * as fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { REDACTED, redact, SHAPES } from './redact.ts'

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
    ['a long private key', `-----BEGIN PRIVATE KEY-----\n${A.repeat(2_000)}\n-----END PRIVATE KEY-----`],
    ['half a long private key', `-----BEGIN PRIVATE KEY-----\n${`${A}\n`.repeat(2_000)}`],
    ['one in JSON', `-----BEGIN PRIVATE KEY-----\\n${`${A}\\n`.repeat(900)}-----END PRIVATE KEY-----`],
    ['a PGP key', `-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n${A}\n-----END PGP PRIVATE KEY BLOCK-----`],
    ['half a private key', `-----BEGIN PRIVATE KEY-----\n${A}`],
  ])('takes out %s', (_whose, secret) => {
    expect(redact(`before ${secret}`)).toBe(`before ${REDACTED}`)
  })

  test.each([
    ['postgres://user:hunter22@host/db', `postgres://user:${REDACTED}@host/db`],
    ['password = "hunter22"', `password = "${REDACTED}"`],
    ['{"api_key":"abcdefgh"}', `{"api_key":"${REDACTED}"}`],
    [`Authorization: Bearer ${A}`, `Authorization: ${REDACTED}`],
    [`AUTHORIZATION: BEARER ${A}`, `AUTHORIZATION: ${REDACTED}`],
    ['Authorization: Basic dTpw', `Authorization: ${REDACTED}`],
    ['"authorization":"basic YWRtaW46aHVudGVyMjI=",', `"authorization":"${REDACTED}",`],
    ['DB_PASSWORD=hunter22', `DB_PASSWORD=${REDACTED}`],
    ['ACME_TOKEN: 0123456789', `ACME_TOKEN: ${REDACTED}`],
    ['ACME_KEY="a b, c"; ls', `ACME_KEY="${REDACTED}"; ls`],
    ['{"clientSecret":"correct horse, battery"}', `{"clientSecret":"${REDACTED}"}`],
    ['{"authorization":"Basic dXNlcjpwYXNz"}', `{"authorization":"${REDACTED}"}`],
    ['export DB_PASS=hunter22; ls', `export DB_PASS=${REDACTED}; ls`],
    [`AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfi\nA=b`, `AWS_SECRET_ACCESS_KEY=${REDACTED}\nA=b`],
    ['GITHUB_TOKEN=abcd', `GITHUB_TOKEN=${REDACTED}`],
    ['APP_SECRET_KEY_BASE: ab12', `APP_SECRET_KEY_BASE: ${REDACTED}`],
    [`OPENAI_KEY=${A}`, `OPENAI_KEY=${REDACTED}`],
    ['PGPASSWORD="correct horse, battery" psql', `PGPASSWORD="${REDACTED}" psql`],
    ["os.environ['X_PASSWORD'] = 'hunter22'", `os.environ['X_PASSWORD'] = '${REDACTED}'`],
    ['{"clientSecret": "hunter22"}', `{"clientSecret": "${REDACTED}"}`],
    ['"refresh_token":"abcd', `"refresh_token":"${REDACTED}`],
    ['x-api-key: hunter22', `x-api-key: ${REDACTED}`],
    ['password=hunter22', `password=${REDACTED}`],
    ['secret: password: hunter22', `secret: ${REDACTED} ${REDACTED}`],
    ['redis://:hunter22@host:6379', `redis://:${REDACTED}@host:6379`],
    [String.raw`{\"password\":\"hunter22\"}`, String.raw`{\"password\":\"${REDACTED}\"}`],
    [String.raw`{\"password\":\"hun\\\"ter22\"}`, String.raw`{\"password\":\"${REDACTED}\"}`],
    [String.raw`\\\"password\\\": \\\"hunter22\\\"`, String.raw`\\\"password\\\": \\\"${REDACTED}\\\"`],
    [String.raw`"A=1\nDB_PASSWORD=hunter22\nB=2"`, String.raw`"A=1\nDB_PASSWORD=${REDACTED}\nB=2"`],
    [String.raw`"it is\nsk-${A}${A}"`, String.raw`"it is\n${REDACTED}"`],
  ])('leaves what is around it: %s', (text, rest) => {
    expect(redact(text)).toBe(rest)
  })

  test.each([
    'A plain sentence, with a colon: and a password nobody told.',
    'https://example.com/a?b=c#d',
    'sk-short and risk-averse people',
    'const token = readToken()',
    'const password = readPassword(prompt)',
    'The secret: always be kind to people.',
    'Password: required for all users',
    'Forgot your password? Reset your password: https://example.com/reset',
    'password: string',
    '"password": null, "max_tokens": 4096, "stop_token": "</s>"',
    'Authorization: Basic authentication is what HTTP calls it',
    'a basic understanding, a basic internationalization',
    'bearer responsibilities and bearer authentication-scheme',
    'sk-learn-compatible-estimators, npm_config_registry_url',
    'PRIMARY_KEY=customer_identifier, PWD=/home/user/projects/app1',
    'A basic understanding of authorization is enough.',
    'MONKEY=business as usual, and KEY = value',
    '{"key":"name","token_count":1234567}',
    'Passwords are bad; secrets, too: nobody keeps them.',
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
    'The passwords: never share them. Tokens: 12345678.',
    'Her secretary: Jane123456',
    '://user@host, https://example.com:8080/a@b and 10:30@noon',
    'It begins with "-----BEGIN CERTIFICATE-----" and is public.',
    '',
  ])('leaves what is no secret: %s', (text) => {
    expect(redact(text)).toBe(text)
  })

  /** As many secrets as kinds, in whatever text, in JSON of JSON, and cut off wherever. */
  const secrets: readonly ((secret: string) => string)[] = [
    (secret) => `DB_PASSWORD=${secret}`,
    (secret) => `export AWS_SECRET_ACCESS_KEY='${secret}'`,
    (secret) => JSON.stringify({ password: `${secret} "and" ${secret}` }),
    (secret) => JSON.stringify(JSON.stringify({ user: 'me', password: secret })),
    (secret) => JSON.stringify(JSON.stringify(JSON.stringify({ api_key: secret }))),
    (secret) => `postgres://me:${secret}@host/db`,
    (secret) => `Authorization: Basic ${Buffer.from(`me:${secret}`).toString('base64')}`,
    (secret) => `authorization: bearer ${secret}${secret}`,
    (secret) => `sk-${secret}${secret}`,
    (secret) => `-----BEGIN EC PRIVATE KEY-----\n${`${secret}\n`.repeat(900)}-----END EC PRIVATE KEY-----`,
    (secret) => JSON.stringify(`-----BEGIN PRIVATE KEY-----\n${`${secret}\n`.repeat(900)}`),
  ]

  test('leaves nothing of a secret, wherever it stands and however deep', () => {
    const prose = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.constantFrom(
        'said: ',
        '\n',
        '{"a":1}',
        '"',
        '\\',
        "it's ",
        'password: ',
        'eyJ',
        '-----BEGIN ',
        '://',
      ),
    )
    const words = fc.array(prose, { maxLength: 5 }).map((texts) => texts.join(''))
    fc.assert(
      fc.property(
        words,
        words,
        fc.constantFrom(...secrets),
        fc.string({ unit: fc.constantFrom(...'xyzXYZ789'), minLength: 8, maxLength: 12 }),
        (before, after, place, letters) => {
          const secret = `q7Q${letters}`
          const text = `${before}\n${place(secret)}\n${after}`
          const hidden = Buffer.from(`me:${secret}`).toString('base64')
          for (const part of [secret, hidden]) expect(redact(text)).not.toContain(part)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('finds nothing more in what it has been through', () => {
    fc.assert(
      fc.property(fc.constantFrom(...secrets), (place) => {
        const once = redact(place('q7Qxyz789'))
        expect(redact(once)).toBe(once)
      }),
    )
  })

  test('never makes a text longer than by its marks, and never fails', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (text) => {
        expect(typeof redact(text)).toBe('string')
      }),
    )
  })
})

describe('however long and hostile a text is', () => {
  afterEach(() => void vi.restoreAllMocks())

  test('nothing looks further than a bound for how a secret begins and ends', () => {
    const patterns = SHAPES.flatMap(({ opens, ends }) => (ends instanceof RegExp ? [opens, ends] : [opens]))
    for (const { source } of patterns) {
      const bare = source.replaceAll(/\\.|\[(?:\\.|[^\]])*\]/g, 'x')
      expect(bare).not.toMatch(/[*+]|\{\d+,\}/)
      for (const [, most] of bare.matchAll(/\{\d+,(\d+)\}/g)) expect(Number(most)).toBeLessThanOrEqual(40)
    }
  })

  const pieces: readonly string[] = [
    'eyJ-',
    'eyJaaaaaaaa.',
    'sk-',
    'bearer ',
    'basic aaaa',
    '://a:',
    '://a:b@',
    '-----BEGIN PRIVATE KEY-----',
    '-----BEGIN PRIVATE KEY-----x-----END ',
    'password=',
    'password="',
    '"password":"x",',
    'password="\\',
    "password='a\\\\\\'",
    'A_KEY=',
    'A_TOKEN: aaaa bbbb ',
    'secret: a',
    '\\',
    'a',
    ' ',
  ]
  test.each(pieces)('it is passed over a fixed number of times: %j', (piece) => {
    const [short, long] = [4_000, 32_000].map((length) =>
      stepsFor(piece.repeat(Math.ceil(length / piece.length)).slice(0, length)),
    )
    // Eight times the text, about eight times the steps; were they its square, it would be 64.
    expect(long).toBeLessThanOrEqual(10 * (short ?? 0) + 1_000)
    expect(long).toBeLessThanOrEqual(60 * 32_000)
  })

  /** Characters that were cut out to be looked at, or passed over in search of an end, and searches. */
  function stepsFor(text: string): number {
    let steps = 0
    const { slice } = String.prototype
    const { exec } = RegExp.prototype
    vi.spyOn(String.prototype, 'slice').mockImplementation(function (this: string, from, to) {
      const part = Reflect.apply(slice, this, [from, to])
      steps += part.length
      return part
    })
    vi.spyOn(RegExp.prototype, 'exec').mockImplementation(function (this: RegExp, within) {
      const from = this.lastIndex
      const found = Reflect.apply(exec, this, [within])
      steps += 1 + (found === null ? within.length - from : found.index - from)
      return found
    })
    redact(text)
    vi.restoreAllMocks()
    return steps
  }
})
