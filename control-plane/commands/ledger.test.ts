import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { stateDigest } from '#contracts/commit/digest.ts'
import { GUARD, MAX_COMMIT_BYTES, TENANT, type WireCommit } from '#contracts/commit/commit.ts'
import { modelName, providerId, type ProviderId } from '#contracts/ids.ts'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { credential, definition, target } from '#test/control-plane/given.ts'
import { keyIssued, TestLog } from '#test/model/log-builder.ts'
import type { Command } from './command.ts'
import { DIGEST_EVERY, Ledger, LedgerBusy, type Log, type Request } from './ledger.ts'

let plane: AdminPlane
let log: Log
/** One control plane, and another on the same database. */
let one: Ledger
let other: Ledger
let id: ProviderId

beforeAll(async () => {
  plane = await openAdminPlane()
  log = plane.ports.log
})
afterAll(() => plane[Symbol.asyncDispose]())
beforeEach(async () => {
  one = new Ledger(log, plane.clock)
  other = new Ledger(log, plane.clock)
  await one.catchUp()
  await other.catchUp()
  id = providerId(`p${randomUUID()}`)
})

const ask = (command: Command, more: Partial<Request> = {}): Request => {
  const commandId = more.commandId ?? randomUUID()
  return {
    command,
    commandId,
    requestHash: `hash of ${commandId}`,
    actor: { kind: 'test', id: 'test' },
    reason: null,
    secrets: [],
    ids: {},
    dryRun: false,
    ...more,
  }
}
const register = (more: Partial<Extract<Command, { type: 'RegisterProvider' }>> = {}): Command => ({
  type: 'RegisterProvider',
  id,
  definition: definition(),
  credentials: [],
  ...more,
})
const rename = (name: string, expectedVersion: number): Command => ({
  type: 'UpdateProvider',
  id,
  expectedVersion,
  definition: definition({ name }),
})

describe('a command', () => {
  test('answers its commit, its events and the version that the entity then has', async () => {
    const head = one.catalog.commit
    const result = await one.execute(ask(register({ credentials: [credential('a')] }), { ids: { x: 'y' } }))
    expect(result).toEqual({
      ok: true,
      value: {
        commitNo: head + 1,
        events: ['ProviderRegistered', 'CredentialAdded'],
        version: 2,
        ids: { x: 'y' },
        replayed: false,
      },
    })
    expect(one.catalog.providers.get(id)?.version).toBe(2)
    expect(one.snapshot.digest).toBe(stateDigest(one.catalog))
    expect(one.digestAt(head + 1)).toBe(one.snapshot.digest)
  })

  test('that changes nothing writes nothing', async () => {
    await one.execute(ask(register()))
    const head = one.catalog.commit
    const result = await one.execute(ask(rename('Any', 1)))
    expect(result).toMatchObject({ ok: true, value: { commitNo: head, events: [], version: 1 } })
    expect(await log.read(head, 1)).toEqual([])
  })

  test('as a dry run answers what it would, and writes nothing', async () => {
    const head = one.catalog.commit
    const request = ask(register(), { dryRun: true })
    expect(await one.execute(request)).toMatchObject({
      ok: true,
      value: { commitNo: head, events: ['ProviderRegistered'], version: 1 },
    })
    expect([await log.read(head, 1), await log.command(request.commandId)]).toEqual([[], null])
    // The id is still free for the real thing.
    expect(await one.execute({ ...request, dryRun: false })).toMatchObject({ value: { replayed: false } })
  })

  test('stores the secrets its events name, and no others', async () => {
    const named = credential(randomUUID())
    const stray = credential(randomUUID())
    const secrets = [named, stray].map(({ secretId }) => ({ id: secretId, sealed: `sealed ${secretId}` }))
    await one.execute(ask(register({ credentials: [named] }), { secrets }))
    expect([...(await plane.ports.log.secrets(secrets.map((secret) => secret.id))).keys()]).toEqual([
      named.secretId,
    ])
  })

  test('that one commit cannot carry is refused with its size', async () => {
    const names = Array.from({ length: 4_000 }, (_, at) => `${'x'.repeat(150)}${at}`)
    const command = register({ definition: definition({ models: { static: names } }) })
    expect(await one.execute(ask(command))).toMatchObject({
      ok: false,
      error: { kind: 'invalid', issues: [{ message: expect.stringContaining(String(MAX_COMMIT_BYTES)) }] },
    })
  })

  test('that cannot be stored as it is is refused with its path', async () => {
    const command = register({ definition: { ...definition(), name: 'half a pair \ud800' } })
    expect(await one.execute(ask(command))).toMatchObject({
      ok: false,
      error: { kind: 'invalid', issues: [{ path: expect.stringContaining('definition.name') }] },
    })
  })
})

describe('a command sent again', () => {
  test('answers as before, wherever it is sent, and whatever happened since', async () => {
    const request = ask(register())
    const first = await one.execute(request)
    await one.execute(ask(rename('Later', 1)))
    const again = { ok: true, value: { ...(first.ok ? first.value : {}), replayed: true } }
    expect(await one.execute(request)).toEqual(again)
    expect(await other.execute(request)).toEqual(again)
    // Removed: the command would be accepted anew, if it were decided.
    await one.execute(ask({ type: 'RemoveProvider', id, expectedVersion: 2 }))
    expect(await one.execute(request)).toEqual(again)
    expect(one.catalog.providers.has(id)).toBe(false)
  })

  test('with another wish is refused', async () => {
    const request = ask(register())
    await one.execute(request)
    const { commandId } = request
    const refused = { ok: false, error: { kind: 'key_reused', commandId } }
    // Once refused by its own decision, once by the log.
    expect(await one.execute(ask(register(), { commandId, requestHash: 'another' }))).toEqual(refused)
    id = providerId(`p${randomUUID()}`)
    expect(await one.execute(ask(register(), { commandId, requestHash: 'another' }))).toEqual(refused)
  })

  test('after its answer was lost, is answered', async () => {
    let lose = true
    const shaky = new Ledger(
      {
        read: (after, limit) => log.read(after, limit),
        command: (commandId) => log.command(commandId),
        append: async (input) => {
          const result = await log.append(input)
          if (lose) throw new Error('the connection broke')
          return result
        },
      },
      plane.clock,
    )
    await shaky.catchUp()
    const request = ask(register())
    await expect(shaky.execute(request)).rejects.toThrow('the connection broke')
    expect(shaky.catalog.providers.has(id)).toBe(false)
    lose = false
    expect(await shaky.execute(request)).toMatchObject({ ok: true, value: { replayed: true, version: 1 } })
    await shaky.catchUp()
    expect(shaky.catalog.providers.has(id)).toBe(true)
  })
})

describe('two control planes on one log', () => {
  test('decide on what the other wrote, never on what they remember', async () => {
    await one.execute(ask(register()))
    // The other has not looked yet.
    expect(other.catalog.providers.has(id)).toBe(false)
    expect(await other.execute(ask(register()))).toMatchObject({
      ok: false,
      error: { kind: 'exists', version: 1 },
    })
    await one.execute(ask(rename('By one', 1)))
    expect(await other.execute(ask(rename('By the other', 1)))).toMatchObject({
      ok: false,
      error: { kind: 'conflict', expected: 1, current: 2 },
    })
    expect(await other.execute(ask(rename('By the other', 2)))).toMatchObject({
      ok: true,
      value: { version: 3 },
    })
    await one.catchUp()
    expect(one.catalog.providers.get(id)?.definition.name).toBe('By the other')
    expect(one.snapshot).toEqual(other.snapshot)
  })

  test('accept one of two changes of the same version', async () => {
    await one.execute(ask(register()))
    const results = await Promise.all([
      one.execute(ask(rename('One', 1))),
      other.execute(ask(rename('Other', 1))),
    ])
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
    await Promise.all([one.catchUp(), other.catchUp()])
    expect(one.snapshot).toEqual(other.snapshot)
  })

  test('carry out everything, each once, when both are busy', async () => {
    const head = one.catalog.commit
    const registrations = Array.from({ length: 20 }, (_, at) =>
      (at % 2 === 0 ? one : other).execute(ask(register({ id: providerId(`${id.slice(0, 30)}-${at}`) }))),
    )
    expect((await Promise.all(registrations)).every(({ ok }) => ok)).toBe(true)
    await Promise.all([one.catchUp(), other.catchUp()])
    expect([one.catalog.commit, other.catalog.commit]).toEqual([head + 20, head + 20])
    expect(one.snapshot).toEqual(other.snapshot)
  })
})

describe('the ledger', () => {
  test('tells of every commit once and in order, whoever wrote it', async () => {
    const heard: WireCommit[] = []
    one.onCommits((wires) => heard.push(...wires))
    const head = one.catalog.commit
    await other.execute(ask(register()))
    await one.execute(
      ask({
        type: 'CreateModel',
        name: modelName(`m-${id}`),
        targets: [target(id)],
        aliases: [],
        strategy: null,
        region: null,
        limits: null,
      }),
    )
    await other.catchUp()
    await other.execute(ask(rename('Again', 1)))
    await one.catchUp()
    await one.catchUp()
    expect(heard.map(({ commit }) => commit)).toEqual([head + 1, head + 2, head + 3])
  })

  test('builds nothing on a log whose past was changed', async () => {
    const forged = new Ledger(
      {
        ...log,
        append: () => Promise.reject(new Error('not asked')),
        command: () => Promise.resolve(null),
        read: async (after, limit) =>
          (await log.read(after, limit)).map((record) =>
            record.wire.commit === 1
              ? {
                  ...record,
                  wire: {
                    ...record.wire,
                    events: record.wire.events.map((event) => ({ ...event, body: '{}' })),
                  },
                }
              : record,
          ),
      },
      plane.clock,
    )
    await expect(forged.catchUp()).rejects.toThrow('the log is damaged at commit 1: leaf_mismatch')
    expect(forged.catalog.commit).toBe(0)
  })

  test('lets only so many wait for a database that does not answer, and goes on when it does', async () => {
    const gate = Promise.withResolvers<void>()
    const slow = new Ledger(
      {
        read: (after, limit) => log.read(after, limit),
        command: (commandId) => log.command(commandId),
        append: async (input) => {
          await gate.promise
          return log.append(input)
        },
      },
      plane.clock,
    )
    await slow.catchUp()
    const waiting = Array.from({ length: 32 }, (_, at) =>
      slow.execute(ask(register({ id: providerId(`${id.slice(0, 30)}-w${at}`) }))),
    )
    await expect(slow.execute(ask(register()))).rejects.toThrow(LedgerBusy)
    gate.resolve()
    expect((await Promise.all(waiting)).every(({ ok }) => ok)).toBe(true)
    expect(await slow.execute(ask(register()))).toMatchObject({ ok: true })
  })
})

describe('a long log', () => {
  const META = {
    commandId: 'c',
    command: 'test',
    actor: { kind: 'test', id: 't' },
    reason: null,
    at: 0,
    tenant: TENANT,
    guard: GUARD,
  }

  test('is folded in runs that end where checkpoints are made, its last page commit by commit', async () => {
    const written = new TestLog()
    while (written.head < 1_234) written.append([keyIssued(`key_${written.head}`)])
    const read: Log['read'] = async (after, limit) =>
      written.commits.slice(after, after + limit).map((wire) => ({ wire, meta: META }))
    const late = new Ledger({ ...log, read }, plane.clock)
    const heard: number[] = []
    late.onCommits((wires) => heard.push(...wires.map(({ commit }) => commit)))
    await late.catchUp()
    expect(late.snapshot).toEqual(written.snapshot())
    expect(heard).toEqual(written.commits.map(({ commit }) => commit))
    const known = heard.filter((commit) => late.digestAt(commit) !== undefined)
    const ends = Array.from({ length: 1_000 / DIGEST_EVERY }, (_, at) => (at + 1) * DIGEST_EVERY)
    expect(known).toEqual([...ends, ...heard.slice(1_000)])
    for (const commit of [...ends, 1_001])
      expect(late.digestAt(commit)).toBe(stateDigest(written.catalog(commit)))
  })
})
