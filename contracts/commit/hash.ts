/**
 * SHA-256, the one hash of the log, and the signature made of it.
 *
 * Pure in effect (same bytes, same hash); it lives apart because it needs `node:crypto`.
 */
import { createHash, createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto'

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
