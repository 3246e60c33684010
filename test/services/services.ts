/**
 * What a test file asks for when it needs a real server: its own corner of a shared one, or one of its own
 * that it may kill.
 */
import { randomBytes } from 'node:crypto'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { Client } from 'pg'
import { inject } from 'vitest'
import { acquirePrivate } from './acquire.ts'
import type { ServiceName } from './programs.ts'
import type { Server, ServerPlace } from './server.ts'

/** A corner of a shared server; disposing of it removes what was put there, where that is not done anyway. */
export type Corner = AsyncDisposable & Readonly<{ url: string; prefix: string }>

/** An empty database of its own. `prefix` is its name. */
export async function freshDatabase(): Promise<Corner> {
  const prefix = uniqueName()
  const url = await sharedUrl('postgres')
  await runSql(url, `create database ${prefix}`)
  const own = new URL(url)
  own.pathname = `/${prefix}`
  return {
    url: own.href,
    prefix,
    [Symbol.asyncDispose]: () => runSql(url, `drop database if exists ${prefix} with (force)`),
  }
}

/** A subject and stream prefix of its own (see `contracts/bus/subjects.ts`). */
export async function freshNats(): Promise<Corner> {
  const prefix = uniqueName()
  const url = await sharedUrl('nats')
  return { url, prefix, [Symbol.asyncDispose]: () => dropStreams(url, prefix) }
}

/** A key prefix of its own. Keys are left to their expiry: the server forgets them with the run. */
export async function freshRedis(): Promise<Corner> {
  return { url: await sharedUrl('redis'), prefix: uniqueName(), [Symbol.asyncDispose]: async () => undefined }
}

/** Servers for one test alone, which may kill and restart them. */
export const startPostgres = (place: ServerPlace = {}): Promise<Server> => acquirePrivate('postgres', place)
export const startNats = (place: ServerPlace = {}): Promise<Server> => acquirePrivate('nats', place)
export const startRedis = (place: ServerPlace = {}): Promise<Server> => acquirePrivate('redis', place)

/** Valid as a database name, a bus prefix and a key prefix. */
export const uniqueName = (): string => `t${randomBytes(6).toString('hex')}`

async function sharedUrl(name: ServiceName): Promise<string> {
  const answer = await fetch(`${inject('serviceDesk')}/${name}`)
  const text = await answer.text()
  if (!answer.ok) throw new Error(text)
  return text
}

async function runSql(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  // Without a listener, a server that is killed meanwhile would end the test process.
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

async function dropStreams(url: string, prefix: string): Promise<void> {
  const connection = await connect({ servers: new URL(url).host, reconnect: false, timeout: 2_000 })
  try {
    const manager = await jetstreamManager(connection)
    for await (const name of manager.streams.names()) {
      if (name.startsWith(prefix.toUpperCase()) || name.startsWith(`KV_${prefix}`))
        await manager.streams.delete(name)
    }
  } finally {
    await connection.close()
  }
}
