/**
 * A commit as it travels: its text, signed with a key that only the planes have.
 *
 * Pure in effect. The chain shows what was changed; it cannot show who wrote the newest link. Whoever can publish on the bus
 * could make one and point a provider at a host of his own. The signature is not part of the log: it is made
 * when a commit is sent.
 */
import { timingSafeEqual } from 'node:crypto'
import { err, type Result } from '../result.ts'
import { decodeCommit, encodeCommit, type WireCommit } from './commit.ts'
import { hmacSha256 } from './hash.ts'

/** base64url of 32 bytes. */
const MAC_LENGTH = 43

/** @param key `MasterKey.commits`. @returns the signature, a dot, and the commit's text. */
export function signCommit(commit: WireCommit, key: Uint8Array): string {
  const text = encodeCommit(commit)
  return `${hmacSha256(text, key).toString('base64url')}.${text}`
}

/** @returns the commit, or what is wrong with the text. Does not verify the chain: see `chain.ts`. */
export function openCommit(signed: string, key: Uint8Array): Result<WireCommit, string> {
  const text = signed.slice(MAC_LENGTH + 1)
  const given = Buffer.from(signed.slice(0, MAC_LENGTH), 'base64url')
  const expected = hmacSha256(text, key)
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    return err('not signed by this installation')
  return decodeCommit(text)
}
