/**
 * What every log must do, whatever database it is on. Run on Postgres and on PGlite by `event-log.test.ts`.
 */
import { randomUUID } from 'node:crypto'
import * as fc from 'fast-check'
import { sql, type Kysely } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { canonical } from '#contracts/canonical.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { CHAIN_START, type CommitMeta } from '#contracts/commit/chain.ts'
import { GUARD, TENANT, type WireCommit } from '#contracts/commit/commit.ts'
import { streamId } from '#contracts/ids.ts'
import { NOTHING_VERIFIED, verifyNext, type Verified } from '#control-plane/audit/verify-log.ts'
import { EventLog, type AppendInput, type AppendResult } from '#control-plane/store/event-log.ts'
import { migrate } from '#control-plane/store/migrate.ts'
import type { Database } from '#control-plane/store/schema.ts'
import { catalogEvent } from '../arbitraries/history.ts'
import { eventually } from '../eventually.ts'

/** One empty database, that any number of processes can open. */
export type LogHost = AsyncDisposable & Readonly<{ open: () => Kysely<Database> }>

const renamed = (stream: string, name: string): CatalogEvent => ({
  type: 'ProviderRenamed',
  stream: streamId(stream),
  body: { name },
})

const metaOf = (commandId: string): CommitMeta => ({
  commandId,
  command: 'Test',
  actor: { kind: 'test', id: 'alice' },
  reason: 'why not',
  at: 1_700_000_000_000,
  tenant: TENANT,
  guard: GUARD,
})

/** An append of one event to a stream of its own, unless told otherwise. */
export function input(expectedHead: number, more: Partial<AppendInput> = {}): AppendInput {
  const commandId = more.commandId ?? randomUUID()
  return {
    expectedHead,
    commandId,
    requestHash: `hash of ${commandId}`,
    response: '{"said":"done"}',
    epoch: 1,
    meta: metaOf(commandId),
    events: [{ event: renamed(`provider-${randomUUID()}`, 'x'), version: 1 }],
    secrets: [],
    ...more,
  }
}

export async function readAll(log: EventLog, page = 500): Promise<Awaited<ReturnType<EventLog['read']>>> {
  const commits: Awaited<ReturnType<EventLog['read']>>[number][] = []
  for (;;) {
    const next = await log.read(commits.length, page)
    commits.push(...next)
    if (next.length < page) return commits
  }
}

/** Checks the whole log as an auditor would. @returns what it verified up to, or the problem. */
async function audit(log: EventLog): Promise<Verified | string> {
  let verified = NOTHING_VERIFIED
  for (const record of await readAll(log)) {
    const result = verifyNext(verified, record)
    if (!result.ok) return `${result.error} at commit ${record.wire.commit}`
    verified = result.value
  }
  return verified
}

const appended = (result: AppendResult): WireCommit => {
  if (result.kind !== 'appended') throw new Error(`not appended: ${JSON.stringify(result)}`)
  return result.wire
}

export function eventLogContract(name: string, start: () => Promise<LogHost>): void {
  schemaContract(name, start)
  freshLogContract(name, start)
  describe(`the log, ${name}`, () => {
    let host: LogHost
    let database: Kysely<Database>
    let log: EventLog
    let head: number

    beforeAll(async () => {
      host = await start()
      database = host.open()
      await migrate(database, true)
      log = new EventLog(database)
    })
    beforeEach(async () => {
      head = (await log.head()).commit
    })
    afterAll(() => host[Symbol.asyncDispose]())

    describe('appending', () => {
      test('gives the next number, the next link, and back what was written', async () => {
        const before = await log.head()
        const request = input(head, { epoch: 1 })
        const wire = appended(await log.append(request))
        expect(wire).toMatchObject({ commit: head + 1, prev: before.chain, epoch: 1 })
        expect(await log.head()).toEqual({ commit: head + 1, epoch: 1, chain: wire.chain })
        expect(await log.read(head, 10)).toEqual([{ wire, meta: request.meta }])
      })

      test('keeps the bytes of any event', async () => {
        let at = head
        await fc.assert(
          fc.asyncProperty(fc.array(catalogEvent, { minLength: 1, maxLength: 5 }), async (events) => {
            const own = events.map((event) => ({
              // Versions are each stream's own: every event takes a new stream.
              event: { ...event, stream: streamId(`${event.stream}-${randomUUID()}`) },
              version: 1,
            }))
            appended(await log.append(input(at, { events: own })))
            const [record] = await log.read(at, 1)
            at += 1
            expect(record?.wire.events.map(({ type, body }) => [type, body])).toEqual(
              events.map(({ type, body }) => [type, canonical(body)]),
            )
          }),
          { numRuns: 30 },
        )
        expect(await audit(log)).toMatchObject({ commit: at })
      })

      test.each([
        ['behind', -1],
        ['ahead of', 1],
      ])('decided %s the head is refused with the head, and nothing is written', async (_, by) => {
        appended(await log.append(input(head)))
        const request = input(head + 1 + by, { secrets: [{ id: `sec_${randomUUID()}`, sealed: 's' }] })
        expect(await log.append(request)).toEqual({ kind: 'head_moved', head: head + 1 })
        expect((await log.head()).commit).toBe(head + 1)
        expect(await log.command(request.commandId)).toBeNull()
        expect((await log.secrets(request.secrets.map(({ id }) => id))).size).toBe(0)
      })

      test('a version that a stream has already had is an error, and leaves nothing behind', async () => {
        const stream = `provider-${randomUUID()}`
        appended(await log.append(input(head, { events: [{ event: renamed(stream, 'a'), version: 1 }] })))
        const request = input(head + 1, {
          events: [
            { event: renamed(`provider-${randomUUID()}`, 'other'), version: 1 },
            { event: renamed(stream, 'b'), version: 1 },
          ],
          secrets: [{ id: `sec_${randomUUID()}`, sealed: 's' }],
        })
        await expect(log.append(request)).rejects.toThrow(/unique/)
        expect((await log.head()).commit).toBe(head + 1)
        expect(await log.read(head + 1, 10)).toEqual([])
        expect(await log.command(request.commandId)).toBeNull()
      })
    })

    describe('a command', () => {
      test('sent again is answered as before, even when the head has moved', async () => {
        const request = input(head)
        appended(await log.append(request))
        appended(await log.append(input(head + 1)))
        const again = { kind: 'replayed', commit: head + 1, response: request.response }
        expect(await log.append({ ...request, response: '"another"' })).toEqual(again)
        expect(await log.append({ ...request, expectedHead: head + 2 })).toEqual(again)
        expect((await log.head()).commit).toBe(head + 2)
        expect(await log.command(request.commandId)).toEqual({
          requestHash: request.requestHash,
          commit: head + 1,
          response: request.response,
        })
      })

      test('of another wish under the same id is refused', async () => {
        const request = input(head)
        appended(await log.append(request))
        expect(await log.append({ ...request, requestHash: 'other' })).toEqual({ kind: 'key_reused' })
        expect((await log.head()).commit).toBe(head + 1)
      })

      test('sent by many at once is carried out once', async () => {
        const request = input(head)
        const logs = Array.from({ length: 6 }, () => new EventLog(host.open()))
        const results = await Promise.all(logs.map((one) => one.append(request)))
        expect(results.map(({ kind }) => kind).toSorted()).toEqual([
          'appended',
          ...Array.from({ length: 5 }, () => 'replayed'),
        ])
        expect((await log.head()).commit).toBe(head + 1)
      })
    })

    test('numbers have no gap, no double and no branch, however many write', async () => {
      const write = async (writer: number): Promise<void> => {
        const own = new EventLog(host.open())
        for (let done = 0; done < 15;) {
          const stream = `provider-writer-${head}-${writer}`
          const events = [{ event: renamed(stream, String(done)), version: done + 1 }]
          const result = await own.append(input((await own.head()).commit, { events }))
          if (result.kind === 'appended') done += 1
        }
      }
      await Promise.all(Array.from({ length: 6 }, (_, writer) => write(writer)))
      const commits = (await readAll(log)).map(({ wire }) => wire.commit)
      expect(commits).toEqual(Array.from({ length: head + 90 }, (_, at) => at + 1))
      expect(await audit(log)).toEqual({ commit: head + 90, chain: (await log.head()).chain })
    })

    test('is read in pages, in order, from anywhere', async () => {
      for (let at = 0; at < 5; at++) appended(await log.append(input(head + at)))
      const numbers = async (after: number, limit: number): Promise<readonly number[]> =>
        (await log.read(after, limit)).map(({ wire }) => wire.commit)
      expect(await numbers(head, 2)).toEqual([head + 1, head + 2])
      expect(await numbers(head + 3, 100)).toEqual([head + 4, head + 5])
      expect(await numbers(head + 5, 100)).toEqual([])
      expect(await readAll(log, 3)).toEqual(await readAll(log))
    })

    test('keeps secrets with their commit, and gives those there are', async () => {
      const [one, other] = [`sec_${randomUUID()}`, `sec_${randomUUID()}`]
      const secrets = [
        { id: one, sealed: 'sealed one' },
        { id: other, sealed: 'sealed other' },
      ]
      appended(await log.append(input(head, { secrets })))
      expect(await log.secrets([other, 'sec_none', one])).toEqual(
        new Map([
          [one, 'sealed one'],
          [other, 'sealed other'],
        ]),
      )
      expect(await log.secrets([])).toEqual(new Map())
    })

    describe('history', () => {
      test.each([
        `update cp_commit set at = 0`,
        `update cp_event set body = '{}'`,
        `delete from cp_event`,
        `delete from cp_commit`,
        `truncate cp_event`,
        `truncate cp_commit cascade`,
      ])('cannot be changed: %s', async (statement) => {
        appended(await log.append(input(head)))
        await expect(sql.raw(statement).execute(database)).rejects.toThrow(/append-only/)
        expect(await audit(log)).toMatchObject({ commit: head + 1 })
      })
    })
  })
}

/** Tests that need a log nobody else has written to. */
function freshLogContract(name: string, start: () => Promise<LogHost>): void {
  describe(`a new log, ${name}`, () => {
    let host: LogHost
    let database: Kysely<Database>
    let log: EventLog

    beforeEach(async () => {
      host = await start()
      database = host.open()
      await migrate(database, true)
      log = new EventLog(database)
    })
    afterEach(() => host[Symbol.asyncDispose]())

    test('begins with nothing, at the first epoch and the first link', async () => {
      expect(await log.head()).toEqual({ commit: 0, epoch: 1, chain: CHAIN_START })
      expect(await log.read(0, 10)).toEqual([])
    })

    test('advances the epoch with the commit that says so', async () => {
      appended(await log.append(input(0, { epoch: 2 })))
      expect((await log.head()).epoch).toBe(2)
      expect((await log.read(0, 1))[0]?.wire.epoch).toBe(2)
    })

    test.each([
      [`update cp_event set body = '{"name":"forged"}'`, 'leaf_mismatch'],
      [`update cp_commit set meta = replace(meta, 'alice', 'mallory')`, 'meta_mismatch'],
      [`update cp_commit set epoch = 7`, 'chain_mismatch'],
      [`delete from cp_event`, 'event_missing'],
    ])('whose past was changed all the same is noticed: %s', async (statement, problem) => {
      for (let at = 0; at < 3; at++) appended(await log.append(input(at)))
      expect(await audit(log)).toMatchObject({ commit: 3 })
      for (const table of ['cp_event', 'cp_commit'])
        await sql.raw(`alter table ${table} disable trigger user`).execute(database)
      await sql.raw(`${statement} where commit_no = 2`).execute(database)
      expect(await audit(log)).toBe(`${problem} at commit 2`)
    })
  })
}

function schemaContract(name: string, start: () => Promise<LogHost>): void {
  describe(`the schema, ${name}`, () => {
    const tables = async (database: Kysely<Database>): Promise<readonly string[]> =>
      (await database.introspection.getTables()).map((table) => table.name)

    test('is not made when that is switched off, and says what is missing and what to set', async () => {
      await using host = await start()
      const database = host.open()
      // The first connection to a database just made can take longer than a pool waits for one.
      await eventually(() =>
        tables(database)
          .then((names) => names.length === 0)
          .catch(() => false),
      )
      const refused = await migrate(database, false)
      expect(refused).toEqual({
        ok: false,
        error: expect.stringMatching(/0001-log.*AUTO_APPLY_DB_MIGRATIONS/),
      })
      expect(await tables(database)).toEqual([])
    })

    test('is made once, and serves those who may not make it', async () => {
      await using host = await start()
      const database = host.open()
      const made = await migrate(database, true)
      expect(made).toMatchObject({ ok: true, value: expect.arrayContaining(['0001-log']) })
      expect(await migrate(database, true)).toEqual({ ok: true, value: [] })
      expect(await migrate(database, false)).toEqual({ ok: true, value: [] })
      expect((await new EventLog(database).head()).commit).toBe(0)
    })

    test('is made by one of those that start together; the others wait for it', async () => {
      await using host = await start()
      const starters = Array.from({ length: 4 }, () => host.open())
      const results = await Promise.all(starters.map((database) => migrate(database, true)))
      const applied = results.flatMap((result) => (result.ok ? result.value : ['refused']))
      expect(applied.filter((migration) => migration === '0001-log')).toHaveLength(1)
      expect(new Set(applied).size).toBe(applied.length)
      for (const database of starters) expect((await new EventLog(database).head()).commit).toBe(0)
    })
  })
}
