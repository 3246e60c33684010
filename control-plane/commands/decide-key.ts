/**
 * Commands about client keys. A revoked key stays revoked.
 *
 * Pure.
 */
import { canonical } from '#contracts/canonical.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { PLAIN_TERMS, termsOf, type ClientKey, type KeyTerms } from '#contracts/catalog/client-key.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import type { Origin } from '#contracts/catalog/provider.ts'
import { clientKeyStream, type KeyId } from '#contracts/ids.ts'
import { err, ok } from '#contracts/result.ts'
import type { KeyCommand } from './command.ts'
import type { Decision } from './decide.ts'
import { invalid } from './rejection.ts'

export function decideKey(catalog: Catalog, command: KeyCommand): Decision {
  const known = catalog.keys.get(command.id)
  if (command.type === 'IssueKey') {
    const { id } = command
    if (known !== undefined) return err({ kind: 'exists', what: `key ${id}`, version: known.version })
    return ok(issued('api', command))
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
    case 'SetKeyTerms': {
      const terms = termsOf(key)
      return ok(termsChanged(key.id, terms, { ...terms, ...command.terms }))
    }
    case 'SuspendKey': {
      // One that only left its declaration is now suspended by somebody: declaring it again does not help.
      const isSo = key.state === 'suspended' && key.undeclared !== true
      return ok(isSo ? [] : [{ type: 'ClientKeySuspended', stream, body: {} }])
    }
    case 'ResumeKey':
      return ok(key.state === 'active' ? [] : [{ type: 'ClientKeyResumed', stream, body: {} }])
    case 'RevokeKey':
      return ok([{ type: 'ClientKeyRevoked', stream, body: {} }])
    default:
      return command satisfies never
  }
}

type KeyText = Readonly<{ digest: string; was?: readonly KeyId[] | undefined }>

/**
 * The key that a text is of, or was of before it was rotated away; undefined: it is nobody's.
 *
 * The catalog knows no more than the text before; of earlier ones `was` tells.
 */
export function keyOfText({ keys }: Catalog, { digest, was = [] }: KeyText): ClientKey | undefined {
  const all = [...keys.values()]
  return (
    all.find((key) => key.digest === digest) ??
    all.find(({ id, previous }) => previous?.digest === digest || was.includes(id))
  )
}

type NewKey = Readonly<{
  id: KeyId
  name: string
  digest: string
  prefix: string
  expiresAt: number | null
  terms: KeyTerms
}>

export function issued(
  origin: Origin,
  { id, name, digest, prefix, expiresAt, terms }: NewKey,
): readonly CatalogEvent[] {
  const body = { origin, name, digest, prefix, expiresAt }
  const first: CatalogEvent = { type: 'ClientKeyIssued', stream: clientKeyStream(id), body }
  return [first, ...termsChanged(id, PLAIN_TERMS, terms)]
}

export function termsChanged(id: KeyId, before: KeyTerms, wanted: KeyTerms): readonly CatalogEvent[] {
  const stream = clientKeyStream(id)
  const { scopes, limits, owner, tags, keepContext, contentLog } = wanted
  const events: CatalogEvent[] = []
  if (canonical(before.scopes) !== canonical(scopes))
    events.push({ type: 'ClientKeyScopesSet', stream, body: { scopes } })
  if (canonical(before.limits) !== canonical(limits))
    events.push({ type: 'ClientKeyLimitsSet', stream, body: { limits } })
  if (before.owner !== owner || canonical(before.tags) !== canonical(tags))
    events.push({ type: 'ClientKeyOwnerSet', stream, body: { owner, tags: [...tags] } })
  if (before.keepContext !== keepContext)
    events.push({ type: 'ClientKeyContextSet', stream, body: { keepContext } })
  if (canonical(before.contentLog) !== canonical(contentLog))
    events.push({ type: 'ClientKeyContentLogSet', stream, body: { contentLog } })
  return events
}
