/**
 * A declaration made ready for a command: ids made, secrets sealed, keys hashed.
 */
import { randomBytes } from 'node:crypto'
import { credentialId, keyId, secretId } from '#contracts/ids.ts'
import { clientKeyDigest, secretFingerprint, type MasterKey } from '#contracts/security/master-key.ts'
import { sealSecret } from '#contracts/security/seal.ts'
import type { DeclaredState, NewCredential } from '../commands/command.ts'
import type { SealedSecret } from '../store/event-log.ts'
import type { Declaration, DeclaredCredential } from './declaration.ts'

/** Characters of a client key that its owner recognises it by. */
export const keyPrefix = (token: string): string => token.slice(0, 8)

/** @returns the same without secrets, and the secrets sealed for the vault. */
export function prepareDeclaration(
  declaration: Declaration,
  masterKey: MasterKey,
): Readonly<{ state: DeclaredState; secrets: readonly SealedSecret[] }> {
  const secrets: SealedSecret[] = []
  const prepare = ({ secret, label, weight }: DeclaredCredential): NewCredential => {
    const id = secretId(`sec_${randomBytes(12).toString('base64url')}`)
    secrets.push({ id, sealed: sealSecret(masterKey.vault, id, secret) })
    const fingerprint = secretFingerprint(masterKey.fingerprint, secret)
    return {
      id: credentialId(`cred_${randomBytes(9).toString('base64url')}`),
      secretId: id,
      fingerprint,
      label,
      weight,
    }
  }
  const providers = declaration.providers.map(({ id, definition, credentials }) => ({
    id,
    definition,
    credentials: credentials.map(prepare),
  }))
  const keys = declaration.keys.map(({ name, token, terms }) => {
    const digest = clientKeyDigest(masterKey.pepper, token.reveal())
    // The id follows from the key, so that declaring the same key again finds the same entity.
    const id = keyId(`key_${digest.slice(0, 16)}`)
    return { id, name, digest, prefix: keyPrefix(token.reveal()), terms }
  })
  return { state: { providers, models: declaration.models, keys }, secrets }
}
