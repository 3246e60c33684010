import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openBytes, openSecret, sealBytes, sealSecret } from './seal.ts'
import { Secret } from './secret.ts'

const key = randomBytes(32)
const bytes = fc.uint8Array({ maxLength: 200 })

describe('sealed bytes', () => {
  test('open to what was sealed', () => {
    fc.assert(
      fc.property(bytes, fc.string(), (plain, context) => {
        const opened = openBytes(key, sealBytes(key, plain, context), context)
        expect(opened).toEqual({ ok: true, value: Buffer.from(plain) })
      }),
    )
  })

  test('do not open when any bit is different', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), (plain, at) => {
        const sealed = sealBytes(key, plain, 'file')
        const bit = at % (sealed.length * 8)
        const byte = Math.floor(bit / 8)
        sealed[byte] = (sealed[byte] ?? 0) ^ (1 << (bit % 8))
        expect(openBytes(key, sealed, 'file')).toEqual({ ok: false, error: 'wrong key or damaged' })
      }),
      { numRuns: 500 },
    )
  })

  test('do not open when cut short, made longer, or under another key or context', () => {
    const sealed = sealBytes(key, Buffer.from('hello'), 'file')
    for (let length = 0; length < sealed.length; length++) {
      expect(openBytes(key, sealed.subarray(0, length), 'file').ok).toBe(false)
    }
    expect(openBytes(key, Buffer.concat([sealed, Buffer.alloc(1)]), 'file').ok).toBe(false)
    expect(openBytes(randomBytes(32), sealed, 'file').ok).toBe(false)
    expect(openBytes(key, sealed, 'other file').ok).toBe(false)
  })

  test('never look the same twice', () => {
    const seals = Array.from({ length: 200 }, () =>
      sealBytes(key, Buffer.from('same'), 'file').toString('hex'),
    )
    expect(new Set(seals).size).toBe(200)
  })
})

describe('a vault text', () => {
  const vaultText = sealSecret(key, 'sec_1', new Secret('sk-live-ünicode'))

  test('opens to the secret, for its own id and key only', () => {
    const opened = openSecret(key, 'sec_1', vaultText)
    expect(opened.ok && opened.value.reveal()).toBe('sk-live-ünicode')
    expect(openSecret(key, 'sec_2', vaultText)).toEqual({ ok: false, error: 'wrong key or damaged' })
    expect(openSecret(randomBytes(32), 'sec_1', vaultText)).toEqual({
      ok: false,
      error: 'sealed under another master key',
    })
  })

  test('does not hold the secret or the key in the clear', () => {
    expect(Buffer.from(vaultText.split('.')[3] ?? '', 'base64url').includes('sk-live')).toBe(false)
    expect(vaultText).not.toContain(key.toString('base64url').slice(0, 8))
  })

  test('with parts of another one does not open', () => {
    const other = sealSecret(key, 'sec_1', new Secret('other')).split('.')
    const parts = vaultText.split('.')
    for (const at of [2, 3]) {
      const mixed = parts.map((part, index) => (index === at ? other[index] : part)).join('.')
      expect(openSecret(key, 'sec_1', mixed)).toEqual({ ok: false, error: 'wrong key or damaged' })
    }
  })

  test('that is none is refused in words, never by throwing', () => {
    for (const text of ['', 'v1', 'v2.a.b.c', 'v1.x', vaultText.split('.').slice(0, 3).join('.')]) {
      expect(openSecret(key, 'sec_1', text)).toEqual({ ok: false, error: 'not a vault text' })
    }
    fc.assert(
      fc.property(fc.string(), fc.string(), (wrapped, sealed) => {
        const text = [...vaultText.split('.').slice(0, 2), wrapped, sealed].join('.')
        expect(openSecret(key, 'sec_1', text).ok).toBe(false)
      }),
    )
  })
})
