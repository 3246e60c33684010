/**
 * SHA-256, the one hash of the log, and the signature made of it.
 *
 * Pure in effect (same bytes, same hash); it lives apart because it needs `node:crypto`.
 */
import { createHash, createHmac, createSecretKey, hash, timingSafeEqual, type KeyObject } from 'node:crypto'

/** @returns 64 lower-case hex digits of the hash of a text's UTF-8 bytes. */
export function sha256Hex(text: string): string {
  return hash('sha256', text, 'hex')
}

/** @returns the 32-byte hash of the parts in sequence. */
export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hasher = createHash('sha256')
  for (const part of parts) hasher.update(part)
  return hasher.digest()
}

/** A key given as bytes is made ready anew by every call, which costs four times the signature itself. */
const prepared = new WeakMap<Uint8Array, KeyObject>()

/** @param key never changed after its first use. @returns the 32-byte HMAC-SHA-256 of a text's UTF-8 bytes. */
export function hmacSha256(text: string, key: Uint8Array): Buffer {
  let ready = prepared.get(key)
  if (ready === undefined) {
    ready = createSecretKey(key)
    prepared.set(key, ready)
  }
  return createHmac('sha256', ready).update(text).digest()
}

/** @param mac in Base64 for addresses. */
export function isMacOf(mac: string, text: string, key: Uint8Array): boolean {
  const [given, expected] = [Buffer.from(mac, 'base64url'), hmacSha256(text, key)]
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** 32 bytes in Base64 for addresses. */
const MAC_LENGTH = 43

/** @returns the signature, a dot, and the text. */
export const signText = (text: string, key: Uint8Array): string =>
  `${hmacSha256(text, key).toString('base64url')}.${text}`

/** @returns the text; null: it was not signed with this key. */
export function openText(signed: string, key: Uint8Array): string | null {
  const text = signed.slice(MAC_LENGTH + 1)
  return isMacOf(signed.slice(0, MAC_LENGTH), text, key) ? text : null
}
