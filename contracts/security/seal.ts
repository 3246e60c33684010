/**
 * Authenticated encryption, AES-256-GCM, in two forms: a vault text for provider secrets and a sealed
 * buffer for files.
 *
 * A vault text wraps each secret in a data key of its own, and the data key in the vault key, so that a new
 * master key re-wraps 32 bytes a secret and never touches the secrets themselves.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { err, ok, type Result } from '../result.ts'
import { sha256 } from '../commit/hash.ts'
import { Secret } from './secret.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32

/** nonce | tag | ciphertext. `context` is authenticated but not stored: the reader must know it. */
export function sealBytes(key: Uint8Array, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context))
  const body = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), body])
}

/** @returns the plain bytes, or an error when key, context or a single bit differ. */
export function openBytes(key: Uint8Array, sealed: Uint8Array, context: string): Result<Buffer, string> {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return err('too short to be sealed')
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES))
    decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    return ok(Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]))
  } catch {
    return err('wrong key or damaged')
  }
}

/** Names a vault key without telling it, so that a wrong master key is recognised as such. */
const keyName = (vaultKey: Uint8Array): string => sha256(vaultKey).toString('hex').slice(0, 8)

/** @returns `v1.<key name>.<wrapped data key>.<sealed secret>`, bound to the secret's id. */
export function sealSecret(vaultKey: Uint8Array, id: string, secret: Secret): string {
  const dataKey = randomBytes(KEY_BYTES)
  const wrapped = sealBytes(vaultKey, dataKey, `key:${id}`)
  const sealed = sealBytes(dataKey, Buffer.from(secret.reveal()), `secret:${id}`)
  return ['v1', keyName(vaultKey), wrapped.toString('base64url'), sealed.toString('base64url')].join('.')
}

export function openSecret(vaultKey: Uint8Array, id: string, text: string): Result<Secret, string> {
  const [version, name, wrapped, sealed] = text.split('.')
  if (version !== 'v1' || wrapped === undefined || sealed === undefined) return err('not a vault text')
  if (name !== keyName(vaultKey)) return err('sealed under another master key')
  const dataKey = openBytes(vaultKey, Buffer.from(wrapped, 'base64url'), `key:${id}`)
  if (!dataKey.ok) return dataKey
  const plain = openBytes(dataKey.value, Buffer.from(sealed, 'base64url'), `secret:${id}`)
  return plain.ok ? ok(new Secret(plain.value.toString())) : plain
}
