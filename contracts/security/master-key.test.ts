import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  clientKeyDigest,
  deriveKeys,
  MASTER_KEY_BYTES,
  parseMasterKey,
  sameToken,
  secretFingerprint,
} from './master-key.ts'
import { Secret } from './secret.ts'

const master = Buffer.from(Array.from({ length: MASTER_KEY_BYTES }, (_, at) => (at * 37) % 256))
const keys = deriveKeys(master)

describe('a master key', () => {
  test('is read from base64 and base64url alike, with space around it', () => {
    for (const text of [
      master.toString('base64'),
      master.toString('base64url'),
      ` ${master.toString('base64')}\n`,
    ]) {
      const parsed = parseMasterKey(text)
      expect(parsed.ok && parsed.value.check).toBe(keys.check)
    }
  })

  test.each([0, 16, 31, 33, 64])(
    'of %i bytes is refused, with a way to make a good one and without a trace of it',
    (length) => {
      const text = Buffer.alloc(length, 7).toString('base64')
      const parsed = parseMasterKey(text)
      expect(parsed.ok).toBe(false)
      if (parsed.ok) return
      expect(parsed.error).toContain(`this is ${length}`)
      expect(parsed.error).toContain('openssl rand')
      if (text !== '') expect(parsed.error).not.toContain(text)
    },
  )

  test('derives the same keys for ever: what was sealed and hashed with them stays readable', () => {
    expect({
      vault: keys.vault.toString('hex').slice(0, 16),
      disk: keys.disk.toString('hex').slice(0, 16),
      pepper: clientKeyDigest(keys.pepper, 'apx_token'),
      fingerprint: secretFingerprint(keys.fingerprint, new Secret('sk-1')),
      weights: keys.weights.toString('hex').slice(0, 16),
      nodeToken: keys.nodeToken.reveal().slice(0, 8),
      check: keys.check,
    }).toMatchInlineSnapshot(`
      {
        "check": "mNxhWwncl6ZOO0ho",
        "disk": "dc9989544224f473",
        "fingerprint": "y732KtdKgdYH-Qzs",
        "nodeToken": "Ll1QOc-Z",
        "pepper": "_afQVDCv0VxJ0D-4wivWMTak55AXJO0dj3DT-9Fm01U",
        "vault": "777b02e459e2ba8e",
        "weights": "07c4099d83ff38dd",
      }
    `)
  })

  test('derives a key of its own for each use, none of them the master', () => {
    const texts = [keys.vault, keys.disk, keys.fingerprint, keys.weights].map((key) =>
      key.toString('base64url'),
    )
    const all = [...texts, keys.pepper, keys.nodeToken.reveal(), keys.check, master.toString('base64url')]
    expect(new Set(all).size).toBe(all.length)
  })

  test('that differs in one bit derives nothing alike', () => {
    const other = deriveKeys(Buffer.from(master.map((byte, at) => (at === 0 ? byte ^ 1 : byte))))
    expect(other.check).not.toBe(keys.check)
    expect(other.vault.equals(keys.vault)).toBe(false)
  })

  test('shows no secret when it is printed', () => {
    expect(JSON.stringify({ nodeToken: keys.nodeToken })).not.toContain(keys.nodeToken.reveal())
  })
})

describe('a client key digest', () => {
  test('has 43 characters and depends on every character of token and pepper', () => {
    const tokens = [
      'a',
      'b',
      'ab',
      'ba',
      '',
      'a\n',
      '\na',
      'é',
      'e\u0301',
      'x'.repeat(1_000),
      `${'x'.repeat(999)}y`,
    ]
    const digests = tokens.flatMap((token) => [
      clientKeyDigest(keys.pepper, token),
      clientKeyDigest('other', token),
    ])
    expect(new Set(digests).size).toBe(tokens.length * 2)
    expect(digests.every((digest) => /^[\w-]{43}$/.test(digest))).toBe(true)
  })

  test('never is the same for two tokens that begin alike', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (start, one, other) => {
        fc.pre(one !== other)
        expect(clientKeyDigest(keys.pepper, start + one)).not.toBe(
          clientKeyDigest(keys.pepper, start + other),
        )
      }),
    )
  })
})

describe('comparing tokens', () => {
  test('accepts the same and nothing else', () => {
    const expected = new Secret('token-1')
    expect(sameToken('token-1', expected)).toBe(true)
    for (const given of ['', 'token-', 'token-2', 'token-11', 'TOKEN-1', 'token-1 ', 'token-1\0']) {
      expect(sameToken(given, expected), given).toBe(false)
    }
  })
})
