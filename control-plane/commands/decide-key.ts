/**
 * Commands about client keys. A revoked key stays revoked.
 *
 * Pure.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { ClientKey } from '#contracts/catalog/client-key.ts'
import { clientKeyStream } from '#contracts/ids.ts'
import { err, ok } from '#contracts/result.ts'
import type { KeyCommand } from './command.ts'
import type { Decision } from './decide.ts'
import { invalid } from './rejection.ts'

export function decideKey(catalog: Catalog, command: KeyCommand): Decision {
  const known = catalog.keys.get(command.id)
  if (command.type === 'IssueKey') {
    const { id, name, digest, prefix, expiresAt } = command
    if (known !== undefined) return err({ kind: 'exists', what: `key ${id}`, version: known.version })
    const body = { origin: 'api' as const, name, digest, prefix, expiresAt }
    return ok([{ type: 'ClientKeyIssued', stream: clientKeyStream(id), body }])
  }
  if (known === undefined) return err({ kind: 'not_found', what: `key ${command.id}` })
  const { expectedVersion: expected } = command
  if (known.version !== expected) {
    return err({ kind: 'conflict', what: `key ${command.id}`, expected, current: known.version })
  }
  if (known.state === 'revoked') {
    return command.type === 'RevokeKey'
      ? ok([])
      : invalid('id', 'the key was revoked, which is final; issue a new one')
  }
  return change(known, command)
}

function change(key: ClientKey, command: Exclude<KeyCommand, { type: 'IssueKey' }>): Decision {
  const stream = clientKeyStream(key.id)
  switch (command.type) {
    case 'RotateKey': {
      const { digest, prefix, overlapUntil } = command
      return ok([{ type: 'ClientKeyRotated', stream, body: { digest, prefix, overlapUntil } }])
    }
    case 'SetKeyExpiry':
      if (command.expiresAt === key.expiresAt) return ok([])
      return ok([{ type: 'ClientKeyExpirySet', stream, body: { expiresAt: command.expiresAt } }])
    case 'SuspendKey':
      return ok(key.state === 'suspended' ? [] : [{ type: 'ClientKeySuspended', stream, body: {} }])
    case 'ResumeKey':
      return ok(key.state === 'active' ? [] : [{ type: 'ClientKeyResumed', stream, body: {} }])
    case 'RevokeKey':
      return ok([{ type: 'ClientKeyRevoked', stream, body: {} }])
    default:
      return command satisfies never
  }
}
