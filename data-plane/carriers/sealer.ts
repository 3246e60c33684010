/**
 * Seals opaque state of one vendor's model for its way through a client of another vendor's format, and opens
 * it when it comes back.
 *
 * `apx1.<key name>.<base64url>`: AES-256-GCM, so that a client can neither read another
 * vendor's state nor make some up.
 */
import { sha256 } from '#contracts/commit/hash.ts'
import { openBytes, sealBytes } from '#contracts/security/seal.ts'
import { carrierOf, SEALED_PREFIX, type Sealer } from '../dialects/canonical/carrier.ts'
import { parseJson } from '../dialects/canonical/json.ts'

const CONTEXT = 'carrier'

/** @param key `MasterKey.carriers`. */
export function createSealer(key: Uint8Array): Sealer {
  const name = sha256(key).toString('hex').slice(0, 8)
  const prefix = `${SEALED_PREFIX}${name}.`
  return {
    seal: (carrier) =>
      prefix + sealBytes(key, Buffer.from(JSON.stringify(carrier)), CONTEXT).toString('base64url'),
    open: (text) => {
      if (!text.startsWith(prefix)) return null
      const plain = openBytes(key, Buffer.from(text.slice(prefix.length), 'base64url'), CONTEXT)
      return plain.ok ? carrierOf(parseJson(plain.value.toString())) : null
    },
  }
}
