import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StreamId } from '#contracts/ids.ts'
import { contentDigest, entityAt } from '#control-plane/commands/restore.ts'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'

let plane: AdminPlane
let api: AdminPlane['api']
beforeAll(async () => {
  plane = await openAdminPlane()
  api = plane.api
})
afterAll(() => plane[Symbol.asyncDispose]())

const digestOf = (stream: StreamId): string => {
  const entity = entityAt(plane.ports.ledger.catalog, stream)
  return entity === undefined ? '' : contentDigest(entity)
}
const stream = (text: string): StreamId => text as StreamId
const definition = { name: 'A', kind: 'openai', baseUrl: 'https://api.example/v1' } as const
const version = (text: string): number => plane.ports.ledger.catalog.versions.get(stream(text)) ?? 0

test('a removed provider comes back with its credentials, in the place it had', async () => {
  await api.providers.register({
    id: 'a',
    definition,
    credentials: [{ apiKey: 'sk-1', label: 'first' }, { apiKey: 'sk-2' }],
  })
  await api.providers.drain({ id: 'a', expectedVersion: version('provider-a') })
  const before = digestOf(stream('provider-a'))
  const { commitNo } = await api.providers.remove({ id: 'a', expectedVersion: version('provider-a') })
  const preview = await api.audit.revert({ commit: commitNo, dryRun: true })
  expect(preview.changes).toEqual([expect.objectContaining({ entity: 'provider a', change: 'added' })])
  expect(plane.ports.ledger.catalog.providers.size).toBe(0)
  const done = await api.audit.revert({ commit: commitNo })
  expect(done).toMatchObject({ commitNo: commitNo + 1, events: preview.events })
  expect(digestOf(stream('provider-a'))).toBe(before)
  const [entry] = (await api.audit.list({ limit: 1 })).commits
  expect(entry).toMatchObject({ command: 'RevertCommits', reason: `revert of commit ${commitNo}` })
})

test('a range is undone as one, and a revert can be reverted', async () => {
  const empty = digestOf(stream('model-fast'))
  const first = await api.models.create({ name: 'fast', targets: [{ provider: 'a', model: 'm' }] })
  await api.models.addAlias({ name: 'fast', expectedVersion: 1, alias: 'quick' })
  const last = await api.models.setRegion({ name: 'fast', expectedVersion: 2, region: 'eu' })
  const made = digestOf(stream('model-fast'))
  const undone = await api.audit.revert({ commit: first.commitNo, through: last.commitNo })
  expect(undone.events).toEqual(['LogicalModelRetired'])
  expect(digestOf(stream('model-fast'))).toBe(empty)
  await api.audit.revert({ commit: undone.commitNo })
  expect(digestOf(stream('model-fast'))).toBe(made)
})

test('a key that was issued is revoked by it, and not removed, and it is said so before', async () => {
  const issued = await api.keys.issue({ name: 'slip' })
  const key = `key ${issued.ids['key']}`
  const preview = await api.audit.revert({ commit: issued.commitNo, dryRun: true })
  const told = [
    expect.objectContaining({ entity: key, change: 'changed', words: ['state: active → revoked'] }),
  ]
  expect(preview).toMatchObject({ events: ['ClientKeyRevoked'], changes: told })
  expect(await api.audit.revert({ commit: issued.commitNo })).toMatchObject({ changes: told })
  const { key: now } = await api.keys.get({ id: issued.ids['key'] ?? '' })
  expect(now.state).toBe('revoked')
})

describe('a revert is refused', () => {
  test('where the entity was changed since, naming the commit', async () => {
    const first = await api.models.setRegion({
      name: 'fast',
      expectedVersion: version('model-fast'),
      region: 'us',
    })
    const later = await api.models.setRegion({
      name: 'fast',
      expectedVersion: version('model-fast'),
      region: 'asia',
    })
    await expect(api.audit.revert({ commit: first.commitNo })).rejects.toThrow(
      `model fast was changed since, by commit ${later.commitNo}`,
    )
    await api.audit.revert({ commit: first.commitNo, through: later.commitNo })
  })

  test('where it would leave a model without its provider', async () => {
    const { commitNo } = await api.providers.register({ id: 'b', definition })
    await api.models.create({ name: 'slow', targets: [{ provider: 'b', model: 'm' }] })
    await expect(api.audit.revert({ commit: commitNo, dryRun: true })).rejects.toThrow(
      'model slow would name provider b, which would not be there',
    )
    // Both together leave nothing behind.
    await api.audit.revert({ commit: commitNo, through: commitNo + 1 })
    expect([...plane.ports.ledger.catalog.providers.keys()]).toEqual(['a'])
  })

  test('where a name has another owner by now', async () => {
    const { commitNo } = await api.models.removeAlias({
      name: 'fast',
      expectedVersion: version('model-fast'),
      alias: 'quick',
    })
    await api.models.create({ name: 'quick', targets: [{ provider: 'a', model: 'm' }] })
    await expect(api.audit.revert({ commit: commitNo })).rejects.toThrow(/quick would belong to both/)
  })

  test('where a key was revoked, which is final', async () => {
    const { ids } = await api.keys.issue({ name: 'k' })
    const id = Object.values(ids)[0] ?? ''
    const { commitNo } = await api.keys.revoke({ id, expectedVersion: 1 })
    await expect(api.audit.revert({ commit: commitNo })).rejects.toThrow('was revoked, which is final')
  })

  test('where the vault has forgotten a secret', async () => {
    const added = await api.providers.credentials.add({
      id: 'a',
      expectedVersion: version('provider-a'),
      apiKey: 'sk-lost',
    })
    const credentialId = plane.ports.ledger.catalog.providers.values().next().value?.credentials.at(-1)
    const { commitNo } = await api.providers.credentials.revoke({
      id: 'a',
      expectedVersion: added.version,
      credentialId: credentialId?.id ?? '',
    })
    await sql`delete from cp_secret where secret_id = ${credentialId?.secretId}`.execute(plane.database)
    await expect(api.audit.revert({ commit: commitNo })).rejects.toThrow('is not in the vault any more')
  })

  test('where there is nothing to undo', async () => {
    await expect(api.audit.revert({ commit: 1 })).rejects.toThrow('which only goes forward')
    await expect(api.audit.revert({ commit: 3, through: 2 })).rejects.toThrow('through: is before commit')
    await expect(api.audit.revert({ commit: 2, stream: 'model-none' })).rejects.toThrow('changed nothing')
  })
})
