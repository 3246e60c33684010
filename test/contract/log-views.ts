/**
 * What is kept beside the log or read from it by question: the trail and the nodes. Run on Postgres and on
 * PGlite by `event-log.test.ts`.
 */
import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { streamId } from '#contracts/ids.ts'
import { EventLog } from '#control-plane/store/event-log.ts'
import { migrate } from '#control-plane/store/migrate.ts'
import { loadNodes, saveNodes } from '#control-plane/store/nodes.ts'
import type { Database } from '#control-plane/store/schema.ts'
import { Trail, type TrailFilter } from '#control-plane/store/trail.ts'
import { nodeReport } from '../control-plane/node-report.ts'
import { input, type LogHost } from './event-log.ts'

export function logViewsContract(name: string, start: () => Promise<LogHost>): void {
  describe(`beside the log, ${name}`, () => {
    let host: LogHost
    let database: Kysely<Database>

    beforeAll(async () => {
      host = await start()
      database = host.open()
      await migrate(database, true)
    })
    afterAll(() => host[Symbol.asyncDispose]())

    describe('the trail', () => {
      const event = (type: string, stream: string, body: object = {}): CatalogEvent =>
        ({ type, stream: streamId(stream), body }) as CatalogEvent
      /** Commits 1 to 4: who, and what about whom. */
      const DONE = [
        ['admin', 'alice', [event('ProviderEnabled', 'provider-a')]],
        [
          'env',
          'environment',
          [event('ProviderRenamed', 'provider-a', { name: 'A' }), event('ClientKeyRevoked', 'clientkey-k')],
        ],
        ['admin', 'bob', [event('ProviderEnabled', 'provider-b')]],
        ['admin', 'env', [event('ProviderRenamed', 'provider-b', { name: 'B' })]],
      ] as const

      beforeAll(async () => {
        const log = new EventLog(database)
        const versions = new Map<string, number>()
        for (const [at, [kind, id, events]] of DONE.entries()) {
          const placed = events.map((one) => {
            const version = (versions.get(one.stream) ?? 0) + 1
            versions.set(one.stream, version)
            return { event: one, version }
          })
          const request = input(at, { events: placed, epoch: 1 })
          await log.append({ ...request, meta: { ...request.meta, actor: { kind, id }, at: at * 1_000 } })
        }
      })

      const list = async (filter: Partial<TrailFilter>): Promise<readonly number[]> =>
        (await new Trail(database).list({ limit: 10, ...filter })).map(({ commitNo }) => commitNo)

      test('tells who did what, when and why, newest first, each with all its events', async () => {
        const [, , second] = await new Trail(database).list({ limit: 10 })
        expect(second).toEqual({
          commitNo: 2,
          at: 1_000,
          actor: { kind: 'env', id: 'environment' },
          command: 'Test',
          commandId: expect.any(String),
          reason: 'why not',
          epoch: 1,
          chain: expect.stringMatching(/^[0-9a-f]{64}$/),
          events: [
            {
              stream: 'provider-a',
              version: 2,
              type: 'ProviderRenamed',
              schemaVersion: 1,
              body: { name: 'A' },
            },
            { stream: 'clientkey-k', version: 1, type: 'ClientKeyRevoked', schemaVersion: 1, body: {} },
          ],
        })
      })

      test.each([
        [{}, [4, 3, 2, 1]],
        [{ limit: 2 }, [4, 3]],
        [{ before: 3 }, [2, 1]],
        [{ before: 1 }, []],
        [{ actor: 'alice' }, [1]],
        // The kind or the id: whichever has the name.
        [{ actor: 'env' }, [4, 2]],
        [{ actor: 'admin', before: 4 }, [3, 1]],
        [{ actor: 'nobody' }, []],
        [{ stream: 'provider-a' }, [2, 1]],
        [{ type: 'ProviderEnabled' }, [3, 1]],
        // Of one and the same event.
        [{ stream: 'provider-a', type: 'ClientKeyRevoked' }, []],
        [{ stream: 'clientkey-k', type: 'ClientKeyRevoked' }, [2]],
        [{ actor: `' or true --` }, []],
      ] as const)('answers %j', async (filter, expected) => {
        expect(await list(filter)).toEqual(expected)
      })
    })

    describe('the nodes heard of', () => {
      beforeEach(async () => void (await database.deleteFrom('cp_node').execute()))

      test('are kept by name, the latest report of each', async () => {
        await saveNodes(database, [])
        await saveNodes(database, [
          { report: nodeReport('n1', { served: 1 }), lastSeen: 1_000 },
          { report: nodeReport('n2'), lastSeen: 1_000 },
        ])
        await saveNodes(database, [{ report: nodeReport('n1', { served: 2 }), lastSeen: 2_000 }])
        const nodes = await loadNodes(database, 0)
        expect(nodes.toSorted((a, b) => (a.report.node < b.report.node ? -1 : 1))).toEqual([
          { report: nodeReport('n1', { served: 2 }), lastSeen: 2_000 },
          { report: nodeReport('n2'), lastSeen: 1_000 },
        ])
      })

      test('are forgotten when they have been silent too long', async () => {
        await saveNodes(database, [
          { report: nodeReport('old'), lastSeen: 999 },
          { report: nodeReport('new'), lastSeen: 1_000 },
        ])
        expect((await loadNodes(database, 1_000)).map(({ report }) => report.node)).toEqual(['new'])
        // For good: not only for this reader.
        expect((await loadNodes(database, 0)).map(({ report }) => report.node)).toEqual(['new'])
      })

      test('of another release, which we cannot read, are passed over', async () => {
        await saveNodes(database, [{ report: nodeReport('mine'), lastSeen: 1_000 }])
        await sql`insert into cp_node values ('theirs', '{"v":2}', 1000), ('torn', '{', 1000)`.execute(
          database,
        )
        expect((await loadNodes(database, 0)).map(({ report }) => report.node)).toEqual(['mine'])
      })
    })
  })
}
