import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NodeReport } from '#contracts/fleet/report.ts'
import { EMPTY_DIGEST } from '#contracts/commit/digest.ts'
import { clientKeyDigest } from '#contracts/security/master-key.ts'
import { openSecret } from '#contracts/security/seal.ts'
import { adminApi, openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { Ledger } from '../commands/ledger.ts'
import { AUTHORITY } from './authority.ts'
import { adminCommands } from './cli/commands.ts'
import { contextFor } from './context.ts'
import { createCallerFactory, procedure, router } from './trpc.ts'

let plane: AdminPlane
let api: AdminPlane['api']
beforeAll(async () => {
  plane = await openAdminPlane()
  api = plane.api
})
afterAll(() => plane[Symbol.asyncDispose]())

const head = () => plane.ports.ledger.catalog.commit
let made = 0
const fresh = (kind: string) => `${kind}-${(made += 1)}`
const definition = { name: 'A', kind: 'openai', baseUrl: 'https://api.example/v1' } as const

async function newProvider(more: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const id = fresh('provider')
  await api.providers.register({ id, definition: { ...definition, ...more } })
  return id
}

/** Code, message and number of commits made by a call that must not succeed. */
async function refusal(
  call: () => Promise<unknown>,
): Promise<Readonly<{ code: unknown; message: unknown; wrote: number }>> {
  const before = head()
  const error = await call().then(
    () => new Error('it was accepted'),
    (thrown: unknown) => thrown,
  )
  const { code, message } = Object.assign({ code: 'none', message: '' }, error)
  return { code, message: error instanceof Error ? error.message : message, wrote: head() - before }
}

test('everything that is done takes the command id that clients give to all they do', () => {
  const commandId = randomUUID()
  for (const { path, isChange, issues } of adminCommands()) {
    if (!isChange) continue
    const strangers = issues({ commandId }).filter(({ path: at, message }) =>
      `${at} ${message}`.includes('commandId'),
    )
    expect([path, strangers]).toEqual([path, []])
  }
})

describe('authority', () => {
  const procedures = adminCommands()

  test('is written down for every procedure there is, and for no other', () => {
    expect(procedures.map(({ path }) => path).sort()).toEqual([...AUTHORITY.keys()].sort())
  })

  test('to write is what changes need, to read what questions need', () => {
    for (const { path, isChange } of procedures) {
      expect([path, AUTHORITY.get(path)]).toEqual([path, isChange ? 'write' : 'read'])
    }
  })

  test('is refused for a procedure nobody wrote down', async () => {
    const forgotten = createCallerFactory(router({ forgotten: procedure.query(() => 'secret') }))
    const call = forgotten(contextFor(plane.ports))
    expect(await refusal(() => call.forgotten())).toMatchObject({ code: 'FORBIDDEN' })
    const { calls } = await api.audit.calls({ outcome: 'denied' })
    expect(calls[0]).toMatchObject({ procedure: 'forgotten', actor: 'token:admin' })
  })
})

describe('a failure', () => {
  test('of ours is told in a fixed text, and its cause is logged', async () => {
    const broken = createCallerFactory(
      router({
        system: router({
          status: procedure.query((): string => {
            throw new TypeError('select secret from cp_secret')
          }),
        }),
      }),
    )
    const call = broken(contextFor(plane.ports))
    expect(await refusal(() => call.system.status())).toEqual({
      code: 'INTERNAL_SERVER_ERROR',
      message: 'the control plane failed; its log says why',
      wrote: 0,
    })
    expect(plane.logged.at(-1)).toContain('TypeError: select secret from cp_secret')
    const { calls } = await api.audit.calls({ outcome: 'failed', limit: 1 })
    expect(calls[0]).toMatchObject({ detail: 'the control plane failed; its log says why' })
  })

  test('is what everything meets before the log has been read', async () => {
    const early = adminApi({ ...plane.ports, ledger: new Ledger(plane.ports.log, plane.clock) })
    for (const call of [() => early.providers.list(), () => early.keys.issue({ name: 'early' })]) {
      expect(await refusal(call)).toMatchObject({
        code: 'SERVICE_UNAVAILABLE',
        message: expect.stringContaining('has not read its log yet'),
        wrote: 0,
      })
    }
  })
})

describe('a change sent again', () => {
  test('eight times at once is carried out once, and answers the same', async () => {
    const before = head()
    const input = { commandId: randomUUID(), name: 'eight' }
    const answers = await Promise.all(Array.from({ length: 8 }, () => api.keys.issue(input)))
    expect(head() - before).toBe(1)
    expect(new Set(answers.map(({ commitNo, ids }) => `${commitNo} ${ids['key']}`)).size).toBe(1)
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
    expect(answers.filter(({ key }) => key !== null)).toHaveLength(1)
    const shown = answers.find(({ key }) => key !== null)?.key ?? ''
    const stored = plane.ports.ledger.catalog.keys
    expect([...stored.values()].find(({ name }) => name === 'eight')?.digest).toBe(
      clientKeyDigest(plane.ports.masterKey.pepper, shown),
    )
  })

  test('eight times at once to two control planes is carried out once', async () => {
    const other = { ...plane.ports, ledger: new Ledger(plane.ports.log, plane.clock) }
    await other.ledger.catchUp()
    const otherApi = adminApi(other)
    const before = head()
    const id = fresh('provider')
    const input = { commandId: randomUUID(), id, definition, credentials: [{ apiKey: 'sk-same' }] }
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) => (at % 2 === 0 ? api : otherApi).providers.register(input)),
    )
    await plane.ports.ledger.catchUp()
    expect(head() - before).toBe(1)
    expect(new Set(answers.map(({ ids }) => ids['credentials[0]'])).size).toBe(1)
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
  })

  test('does not show a key a second time, and says so', async () => {
    const input = { commandId: randomUUID(), name: 'shown once' }
    const first = await api.keys.issue(input)
    const second = await api.keys.issue(input)
    expect(first.key).toMatch(/^sk-ap-[A-Za-z0-9_-]{43}$/)
    expect(second).toMatchObject({
      key: null,
      replayed: true,
      ids: first.ids,
      note: expect.stringContaining('rotate'),
    })
  })

  test('is answered as it was then, though its version is old by now', async () => {
    const id = await newProvider()
    const input = { commandId: randomUUID(), id, expectedVersion: 1, definition: { name: 'B' } }
    const first = await api.providers.update(input)
    await api.providers.update({ id, expectedVersion: 2, definition: { name: 'C' } })
    expect(await api.providers.update(input)).toEqual({ ...first, replayed: true })
    expect((await api.providers.get({ id })).provider.definition.name).toBe('C')
  })

  test('is answered as it was then, though what it changed is gone', async () => {
    const id = await newProvider()
    const input = { commandId: randomUUID(), id, expectedVersion: 1, definition: { name: 'B' } }
    const first = await api.providers.update(input)
    await api.providers.remove({ id, expectedVersion: 2 })
    expect(await api.providers.update(input)).toEqual({ ...first, replayed: true })
    expect(await refusal(() => api.providers.update({ ...input, definition: { name: 'C' } }))).toMatchObject({
      code: 'CONFLICT',
    })
  })

  test('is refused when it is another change under the same id', async () => {
    const commandId = randomUUID()
    const { ids } = await api.keys.issue({ commandId, name: 'one' })
    const id = ids['key'] ?? ''
    const refused = {
      code: 'CONFLICT',
      message: expect.stringContaining('used for another command'),
      wrote: 0,
    }
    expect(await refusal(() => api.keys.issue({ commandId, name: 'two' }))).toEqual(refused)
    const change = { id, expectedVersion: 1, commandId: randomUUID() }
    await api.keys.suspend(change)
    expect(await refusal(() => api.keys.revoke(change))).toEqual(refused)
  })

  test('is another change when its secret is another', async () => {
    const id = await newProvider()
    const input = { commandId: randomUUID(), id, expectedVersion: 1, apiKey: 'sk-one' }
    const first = await api.providers.credentials.add(input)
    expect(await api.providers.credentials.add(input)).toEqual({ ...first, replayed: true })
    expect(await refusal(() => api.providers.credentials.add({ ...input, apiKey: 'sk-two' }))).toMatchObject({
      code: 'CONFLICT',
    })
  })
})

describe('a dry run', () => {
  const rows = async () => {
    const counts = ['cp_commit', 'cp_event', 'cp_command', 'cp_secret'].map((table) =>
      sql<{ n: string }>`select count(*) as n from ${sql.table(table)}`.execute(plane.database),
    )
    return (await Promise.all(counts)).map((count) => count.rows[0]?.n)
  }

  test('answers what would happen and writes nothing', async () => {
    const id = fresh('provider')
    const before = [await rows(), plane.ports.ledger.snapshot.digest]
    const input = { commandId: randomUUID(), id, definition, credentials: [{ apiKey: 'sk-dry' }] }
    expect(await api.providers.register({ ...input, dryRun: true })).toMatchObject({
      events: ['ProviderRegistered', 'CredentialAdded'],
      version: 2,
      dryRun: true,
    })
    expect(await api.keys.issue({ name: 'dry', dryRun: true })).toMatchObject({
      key: null,
      events: ['ClientKeyIssued'],
    })
    expect([await rows(), plane.ports.ledger.snapshot.digest]).toEqual(before)
    // Its command id is free for the real thing.
    expect(await api.providers.register(input)).toMatchObject({ replayed: false, version: 2 })
  })

  test('is refused for the same reasons', async () => {
    const id = await newProvider()
    expect(await refusal(() => api.providers.register({ id, definition, dryRun: true }))).toMatchObject({
      code: 'CONFLICT',
    })
  })
})

describe('a patch', () => {
  test('is laid over the version its author saw, though this process had not heard of it', async () => {
    const id = await newProvider()
    const other = { ...plane.ports, ledger: new Ledger(plane.ports.log, plane.clock) }
    const otherApi = adminApi(other)
    await other.ledger.catchUp()
    await otherApi.providers.update({ id, expectedVersion: 1, definition: { name: 'changed elsewhere' } })
    await api.providers.update({ id, expectedVersion: 2, definition: { routing: { region: 'eu' } } })
    expect((await api.providers.get({ id })).provider.definition).toMatchObject({
      name: 'changed elsewhere',
      routing: { region: 'eu', weight: 1 },
    })
  })

  test('that changes nothing writes nothing', async () => {
    const id = await newProvider()
    const before = head()
    expect(await api.providers.update({ id, expectedVersion: 1, definition: { name: 'A' } })).toMatchObject({
      events: [],
      commitNo: before,
      version: 1,
    })
  })
})

describe('a question', () => {
  test('is answered from the commit it asks for, though another process wrote it', async () => {
    const other = { ...plane.ports, ledger: new Ledger(plane.ports.log, plane.clock) }
    await other.ledger.catchUp()
    const otherApi = adminApi(other)
    const id = fresh('provider')
    const { commitNo } = await otherApi.providers.register({ id, definition })
    expect(await api.providers.get({ id, atLeastCommit: commitNo })).toMatchObject({
      commitNo,
      provider: { id },
    })
  })

  test('about many is answered in pages, in order', async () => {
    const names = ['page-c', 'page-a', 'page-b']
    const provider = await newProvider()
    for (const name of names) await api.models.create({ name, targets: [{ provider, model: 'm' }] })
    const first = await api.models.list({ after: 'page', limit: 2 })
    expect([first.models.map(({ name }) => name), first.next]).toEqual([['page-a', 'page-b'], 'page-b'])
    const second = await api.models.list({ after: first.next ?? '', limit: 1 })
    expect([second.models.map(({ name }) => name)]).toEqual([['page-c']])
    const { next } = await api.models.list({ limit: 1_000 })
    expect(next).toBeNull()
  })
})

describe('a client key', () => {
  test('is known by its digest alone', async () => {
    const { key, ids } = await api.keys.issue({ name: 'laptop', expiresAt: 1_900_000_000_000 })
    const { key: shown } = await api.keys.get({ id: ids['key'] ?? '' })
    expect(shown).toMatchObject({
      name: 'laptop',
      state: 'active',
      prefix: key?.slice(0, 12),
      previousUntil: null,
    })
    expect(Object.keys(shown)).not.toContain('digest')
    expect(JSON.stringify(await api.keys.list())).not.toContain(key)
  })

  test('keeps its old text for the time asked for', async () => {
    const { key, ids } = await api.keys.issue({ name: 'rotated' })
    const id = ids['key'] ?? ''
    const rotated = await api.keys.rotate({ id, expectedVersion: 1, overlapSeconds: 60 })
    expect(rotated.key).not.toBe(key)
    expect((await api.keys.get({ id })).key.previousUntil).toBe(plane.clock.now() + 60_000)
    const stored = plane.ports.ledger.catalog.keys.get((await api.keys.get({ id })).key.id)
    expect(stored?.previous?.digest).toBe(clientKeyDigest(plane.ports.masterKey.pepper, key ?? ''))
    await api.keys.rotate({ id, expectedVersion: 2 })
    expect((await api.keys.get({ id })).key.previousUntil).toBe(plane.clock.now())
  })
})

test('a secret reaches the vault sealed, under an id of its own at each rotation', async () => {
  const id = await newProvider()
  const { ids } = await api.providers.credentials.add({ id, apiKey: 'sk-first', expectedVersion: 1 })
  const credentialId = ids['credential'] ?? ''
  const secretOf = () =>
    [...plane.ports.ledger.catalog.providers.values()].find((one) => one.id === id)?.credentials[0]
  const first = secretOf()
  await api.providers.credentials.rotate({ id, credentialId, apiKey: 'sk-second', expectedVersion: 2 })
  const second = secretOf()
  expect(second?.secretId).not.toBe(first?.secretId)
  expect(second?.fingerprint).not.toBe(first?.fingerprint)
  const sealed = await plane.ports.log.secrets([first?.secretId ?? '', second?.secretId ?? ''])
  const opened = [...sealed].map(([place, text]) => openSecret(plane.ports.masterKey.vault, place, text))
  expect(opened.map((one) => (one.ok ? one.value.reveal() : one.error)).toSorted()).toEqual([
    'sk-first',
    'sk-second',
  ])
})

test('more changes at once than are let wait are turned away by name', async () => {
  const before = head()
  const answers = await Promise.allSettled(
    Array.from({ length: 80 }, () => api.keys.issue({ name: 'crowd' })),
  )
  const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []))
  expect(refused.length).toBeGreaterThan(0)
  for (const error of refused)
    expect(error).toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      message: 'too many commands are waiting; try again',
    })
  expect(head() - before).toBe(answers.length - refused.length)
})

describe('the fleet', () => {
  const report = (node: string, served: number): NodeReport => ({
    v: 1,
    node,
    boot: 'b',
    build: 'test',
    foldVersion: 1,
    epoch: 1,
    received: served,
    applied: served,
    persisted: served,
    served,
    digest: plane.ports.ledger.digestAt(served) ?? EMPTY_DIGEST,
    link: 'bus',
    nacks: [],
    accepting: true,
  })

  test('serves a commit when every live node does', async () => {
    const { commitNo } = await api.keys.issue({ name: 'fleet' })
    plane.ports.fleet.onReport(report('n1', commitNo))
    plane.ports.fleet.onReport(report('n2', commitNo - 1))
    expect(await api.fleet.wait({ commitNo, timeoutMs: 0 })).toMatchObject({
      served: false,
      live: 2,
      behind: [{ state: 'LAGGING', lag: 1, report: { node: 'n2' } }],
    })
    const waiting = api.fleet.wait({ commitNo, timeoutMs: 60_000 })
    plane.ports.fleet.onReport(report('n2', commitNo))
    expect(await waiting).toEqual({ served: true, live: 2, behind: [], blockers: [] })
    const { head: at, nodes } = await api.fleet.list()
    expect(at).toMatchObject({ commit: commitNo, epoch: 1, digest: plane.ports.ledger.snapshot.digest })
    expect(nodes.map(({ state }) => state)).toEqual(['CURRENT', 'CURRENT'])
  })
})

test('the system says where the log is and begins a new epoch when asked', async () => {
  const before = await api.system.status()
  expect(before).toMatchObject({
    head: head(),
    epoch: 1,
    relay: { kind: 'current' },
    logId: 'test-log',
    frozen: [],
  })
  expect(await api.system.advanceEpoch({ expectedEpoch: 1 })).toMatchObject({ events: ['EpochAdvanced'] })
  expect(await api.system.status()).toMatchObject({ epoch: 2, head: before.head + 1 })
  expect(await api.audit.verify()).toMatchObject({ ok: true, commits: before.head + 1 })
})
