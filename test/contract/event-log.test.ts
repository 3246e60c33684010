import { PGlite } from '@electric-sql/pglite'
import { createPgConfig } from '@electric-sql/pglite/node-postgres'
import { Pool } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { openDatabase, POOL_LIMITS, serverPool } from '#control-plane/store/database.ts'
import { EventLog } from '#control-plane/store/event-log.ts'
import { migrate } from '#control-plane/store/migrate.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { freshDatabase, startPostgres } from '../services/services.ts'
import { budgetLeasesContract } from './budget-leases.ts'
import { eventLogContract, input, readAll, type LogHost } from './event-log.ts'
import { logViewsContract } from './log-views.ts'
import { usageBooksContract } from './usage-books.ts'

/** Every opening is a pool of its own, as every process has. */
async function onPostgres(): Promise<LogHost> {
  const stack = new AsyncDisposableStack()
  const { url } = stack.use(await freshDatabase())
  return {
    open: () => stack.adopt(openDatabase(serverPool(url)), (database) => database.destroy()),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** One for the file, emptied for each test: making one takes seconds. It has one connection, which all share. */
const pglite = new PGlite('memory://')
const shared = openDatabase(new Pool({ ...createPgConfig(pglite), ...POOL_LIMITS, max: 1 }))
afterAll(async () => {
  await shared.destroy()
  await pglite.close()
})

async function onPglite(): Promise<LogHost> {
  await pglite.exec('drop schema public cascade; create schema public')
  return { open: () => shared, [Symbol.asyncDispose]: async () => undefined }
}

for (const [name, start] of [
  ['on Postgres', onPostgres],
  ['on PGlite', onPglite],
] as const) {
  eventLogContract(name, start)
  logViewsContract(name, start)
  usageBooksContract(name, start)
  budgetLeasesContract(name, start)
}

describe('the log on a server that fails', () => {
  test('keeps a command whose answer was lost: sent again, it is answered', async () => {
    await using stack = new AsyncDisposableStack()
    const { url } = stack.use(await freshDatabase())
    const proxy = stack.use(await FaultProxy.start(url))
    const open = (at: string): EventLog =>
      new EventLog(stack.adopt(openDatabase(serverPool(at)), (database) => database.destroy()))
    const direct = openDatabase(serverPool(url))
    stack.adopt(direct, (database) => database.destroy())
    await migrate(direct, true)
    const log = open(proxy.via(url))
    expect((await log.head()).commit).toBe(0)

    const request = input(0)
    // The statement reaches the server, the answer does not reach us.
    proxy.partition('down')
    const asking = log.append(request).then(
      () => 'answered',
      () => 'lost',
    )
    await expect.poll(async () => (await new EventLog(direct).head()).commit).toBe(1)
    proxy.resetAll()
    expect(await asking).toBe('lost')
    proxy.heal()
    expect(await log.append(request)).toEqual({ kind: 'replayed', commit: 1, response: request.response })
    expect(await readAll(log)).toHaveLength(1)
  })

  test('holds every commit it acknowledged after the server was killed', async () => {
    await using stack = new AsyncDisposableStack()
    const server = stack.use(await startPostgres())
    const open = (): EventLog =>
      new EventLog(stack.adopt(openDatabase(serverPool(server.url)), (database) => database.destroy()))
    const database = stack.adopt(openDatabase(serverPool(server.url)), (opened) => opened.destroy())
    await migrate(database, true)
    const log = open()
    for (let at = 0; at < 20; at++) expect((await log.append(input(at))).kind).toBe('appended')
    await server.kill('SIGKILL')
    await expect(log.append(input(20))).rejects.toThrow()
    await server.restart()
    expect((await readAll(open())).map(({ wire }) => wire.commit)).toEqual(
      Array.from({ length: 20 }, (_, at) => at + 1),
    )
    expect((await open().append(input(20))).kind).toBe('appended')
  })
})
