/**
 * SHA-256, the one hash of the log.
 *
 * Pure in effect (same bytes, same hash); it lives apart because it needs `node:crypto`.
 */
import { createHash, hash } from 'node:crypto'

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
