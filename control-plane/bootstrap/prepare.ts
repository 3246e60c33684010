/**
 * A declaration made ready for a command: ids made, secrets sealed, keys hashed.
 */
import { randomBytes } from 'node:crypto'
import { credentialId, keyId, secretId, type KeyId } from '#contracts/ids.ts'
import { clientKeyDigest, secretFingerprint, type MasterKey } from '#contracts/security/master-key.ts'
import type { Secret } from '#contracts/security/secret.ts'
import { sealSecret } from '#contracts/security/seal.ts'
import type { DeclaredState, NewCredential } from '../commands/command.ts'
import type { EventLog, SealedSecret } from '../store/event-log.ts'
import type { Declaration, DeclaredCredential } from './declaration.ts'

/** Characters of a client key that its owner recognises it by. */
export const keyPrefix = (token: string): string => token.slice(0, 8)

/** It follows from the key, so that declaring the same key again finds the same entity. */
const idOf = (digest: string): KeyId => keyId(`key_${digest.slice(0, 16)}`)

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
  const providers = declaration.providers.map(({ credentials, ...rest }) => ({
    ...rest,
    credentials: credentials?.map(prepare),
  }))
  const digestOf = (token: Secret): string => clientKeyDigest(masterKey.pepper, token.reveal())
  const keys = declaration.keys.map(({ name, token, terms, ...more }) => {
    const digest = digestOf(token)
    return { id: idOf(digest), name, digest, prefix: keyPrefix(token.reveal()), terms, ...more }
  })
  const budgets = declaration.budgets.map(({ subject, ...rest }) => ({
    ...rest,
    subject: 'token' in subject ? { key: idOf(digestOf(subject.token)) } : subject,
  }))
  return { state: { providers, models: declaration.models, keys, budgets }, secrets }
}

/** The same with what the log has of each key's text: one that was rotated away is not to come back. */
export async function withPastTexts(
  state: DeclaredState,
  log: Pick<EventLog, 'keysOf'>,
): Promise<DeclaredState> {
  const known = await log.keysOf(state.keys.map(({ digest }) => digest))
  return { ...state, keys: state.keys.map((one) => ({ ...one, was: known.get(one.digest) })) }
}
