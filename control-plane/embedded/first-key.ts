/**
 * A client key for an installation that has none, so that the first request can be made at once.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { PLAIN_TERMS } from '#contracts/catalog/client-key.ts'
import { keyId } from '#contracts/ids.ts'
import { clientKeyDigest, type MasterKey } from '#contracts/security/master-key.ts'
import { Secret } from '#contracts/security/secret.ts'
import { keyPrefix } from '../bootstrap/prepare.ts'
import type { Ledger } from '../commands/ledger.ts'

/** @returns the new key, which nobody can show again; null when there has ever been one. */
export async function issueFirstKey(ledger: Ledger, masterKey: MasterKey): Promise<Secret | null> {
  if (ledger.catalog.keys.size > 0) return null
  const token = `sk-ap-${randomBytes(32).toString('base64url')}`
  const id = keyId(`key_${randomBytes(9).toString('base64url')}`)
  const digest = clientKeyDigest(masterKey.pepper, token)
  const result = await ledger.execute({
    command: {
      type: 'IssueKey',
      id,
      name: 'first key',
      digest,
      prefix: keyPrefix(token),
      expiresAt: null,
      terms: PLAIN_TERMS,
    },
    commandId: randomUUID(),
    requestHash: digest,
    actor: { kind: 'system', id: 'start' },
    reason: 'first start',
    secrets: [],
    ids: { keyId: id },
    dryRun: false,
  })
  return result.ok ? new Secret(token) : null
}
