/**
 * Ed25519 signatures of the control plane: who has the public key alone can check them.
 *
 * Pure in effect (Ed25519 needs no dice). Each use signs under its own name, so that no statement can pass
 * for another. Why the key follows from the master key: contracts/decisions/0012.
 */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import type { Signed } from '../store/past.ts'

export type Use = 'checkpoint' | 'manifest' | 'snapshot'

/** What stands before the 32 bytes of a seed in PKCS #8 (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')
/** Bytes of a public key in base64url. */
const PUBLIC_KEY = /^[A-Za-z0-9_-]{43}$/

export class Signer {
  readonly #private: KeyObject
  readonly verifier: Verifier

  /** @param seed `MasterKey.audit`. */
  constructor(seed: Uint8Array) {
    this.#private = createPrivateKey({
      key: Buffer.concat([PKCS8_HEAD, seed]),
      format: 'der',
      type: 'pkcs8',
    })
    const { x } = createPublicKey(this.#private).export({ format: 'jwk' })
    this.verifier = new Verifier(x ?? '')
  }

  sign(use: Use, body: string): Signed {
    return { body, signature: sign(null, signedBytes(use, body), this.#private).toString('base64url') }
  }
}

export class Verifier {
  readonly #public: KeyObject
  /** 43 characters, base64url. */
  readonly publicKey: string

  constructor(publicKey: string) {
    this.publicKey = publicKey
    this.#public = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' })
  }

  /** Does it carry our signature for this use? */
  accepts(use: Use, { body, signature }: Signed): boolean {
    const bytes = Buffer.from(signature, 'base64url')
    // Base64 can spell the same bytes in several ways; what was not written so by us is not ours.
    if (bytes.toString('base64url') !== signature) return false
    return verify(null, signedBytes(use, body), this.#public, bytes)
  }
}

/** @returns null: this is no public key. */
export const readVerifier = (publicKey: string): Verifier | null =>
  PUBLIC_KEY.test(publicKey) ? new Verifier(publicKey) : null

const signedBytes = (use: Use, body: string): Buffer => Buffer.from(`apiproxy/${use}/1\n${body}`)
