/**
 * A commit as it travels: its text, signed with a key that only the planes have.
 *
 * Pure in effect. The chain shows what was changed; it cannot show who wrote the newest link. Whoever can publish on the bus
 * could make one and point a provider at a host of his own. The signature is not part of the log: it is made
 * when a commit is sent.
 */
import { err, type Result } from '../result.ts'
import { decodeCommit, encodeCommit, type WireCommit } from './commit.ts'
import { openText, signText } from './hash.ts'

/** @param key `MasterKey.commits`. @returns the signature, a dot, and the commit's text. */
export function signCommit(commit: WireCommit, key: Uint8Array): string {
  return signText(encodeCommit(commit), key)
}

/** @returns the commit, or what is wrong with the text. Does not verify the chain: see `chain.ts`. */
export function openCommit(signed: string, key: Uint8Array): Result<WireCommit, string> {
  const text = openText(signed, key)
  return text === null ? err('not signed by this installation') : decodeCommit(text)
}
