import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { describe, expect, test } from 'vitest'
import { isAlive } from '../processes/owned.ts'
import type { Server } from './server.ts'
import { freshDatabase, freshNats, freshRedis, startNats, startPostgres, startRedis } from './services.ts'

async function query(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[]
  } finally {
    await client.end().catch(() => undefined)
  }
}

describe('a corner of a shared server', () => {
  test('is an empty database that nobody else has', async () => {
    await using one = await freshDatabase()
    await using other = await freshDatabase()
    await query(one.url, 'create table t (x int)')
    const count = "select count(*)::int as tables from pg_tables where schemaname = 'public'"
    expect(await query(one.url, count)).toEqual([{ tables: 1 }])
    expect(await query(other.url, count)).toEqual([{ tables: 0 }])
  })

  test('is gone when it is disposed of, even while somebody is connected', async () => {
    const corner = await freshDatabase()
    const lingering = new Client({ connectionString: corner.url })
    lingering.on('error', () => undefined)
    await lingering.connect()
    await corner[Symbol.asyncDispose]()
    await expect(query(corner.url, 'select 1')).rejects.toThrow(/does not exist/)
  })

  test('has a prefix that everything accepts as a name', async () => {
    for (const fresh of [freshDatabase, freshNats, freshRedis]) {
      await using corner = await fresh()
      expect(corner.prefix).toMatch(/^t[0-9a-f]{12}$/)
    }
  })
})

/** Kills a server, starts it again, stops it, and looks whether that is what happened. */
async function survives(
  server: Server,
  write: () => Promise<unknown>,
  read: () => Promise<unknown>,
): Promise<void> {
  const { url, port, pid } = server
  await write()
  const before = await read()
  await server.kill('SIGKILL')
  expect(await isAlive(pid)).toBe(false)
  await expect(read()).rejects.toThrow()
  await server.restart()
  expect([server.url, server.port]).toEqual([url, port])
  expect(server.pid).not.toBe(pid)
  expect(await read()).toEqual(before)
  await server.stop()
  expect(await isAlive(server.pid)).toBe(false)
}

describe('a server of its own', () => {
  test('Postgres comes back with every row that was committed', async () => {
    const server = await startPostgres()
    const sql = (text: string) => query(server.url, text)
    await survives(
      server,
      async () => {
        await sql('create table t (x int)')
        for (let at = 0; at < 20; at++) await sql(`insert into t values (${at})`)
      },
      () => sql('select count(*)::int as rows from t'),
    )
  })

  test('Postgres dies with its sessions, so that none finishes what it was doing', async () => {
    await using server = await startPostgres()
    const working = query(server.url, 'select pg_sleep(60)')
    const ended = working.then(
      () => 'answered',
      () => 'cut off',
    )
    await query(server.url, 'select 1')
    await server.kill('SIGKILL')
    expect(await ended).toBe('cut off')
  })

  test('Redis comes back on its port', async () => {
    const server = await startRedis()
    const ping = async (): Promise<string> => {
      const client = new Redis(server.url, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
      client.on('error', () => undefined)
      try {
        return await client.ping()
      } finally {
        client.disconnect()
      }
    }
    await survives(server, ping, ping)
  })

  test('freezes without losing its port', async () => {
    await using server = await startNats()
    await server.kill('SIGSTOP')
    await server.kill('SIGCONT')
    expect(await isAlive(server.pid)).toBe(true)
  })

  test('keeps a data folder that it was given', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'apiproxy-keep-'))
    const server = await startNats({ folder })
    await server.stop()
    await access(folder)
    await rm(folder, { recursive: true })
  })
})
