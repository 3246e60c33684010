/**
 * Everything that is left of a run: what processes said, what servers keep, what went over the bus meanwhile.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { natsConnectionOptions } from '#contracts/bus/nats.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { Places } from './places.ts'

/** Where `gather` and `listen` put what they find: each must have held something. */
export const GATHERED = {
  logs: 'output of processes',
  tables: 'Postgres, every table',
  streams: 'JetStream, streams and buckets',
  bus: 'NATS, every message',
  redis: 'Redis, every key',
  redisCommands: 'Redis, every command',
  disk: 'disks of nodes',
  metrics: '/metrics of every role',
} as const
/** Lines a role keeps of its output; of one that said more, something was not searched. */
const KEPT_LINES = 5_000

/** Listens to what passes from now on, until it is let go. */
export async function listen(cluster: Cluster, places: Places): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const nats = stack.adopt(
    await connect(natsConnectionOptions(cluster.nats.server.url, 'canary')),
    (connection) => connection.close(),
  )
  nats.subscribe('>', {
    callback: (error, message) => {
      if (error !== null) return
      const { subject, headers, data } = message
      places.add(
        GATHERED.bus,
        subject,
        Buffer.concat([Buffer.from(`${subject} ${[...(headers ?? [])].flat(2).join(' ')} `), data]),
      )
    },
  })
  await nats.flush()
  const redis = stack.adopt(new Redis(cluster.redis.server.url), (client) => client.disconnect())
  const monitor = stack.adopt(await redis.monitor(), (client) => client.disconnect())
  monitor.on('monitor', (_time: string, command: readonly string[]) => {
    places.add(GATHERED.redisCommands, command[0] ?? '', command.join(' '))
  })
  const running = stack.move()
  return { [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** @returns what could not be searched. */
export async function gather(cluster: Cluster, places: Places): Promise<readonly string[]> {
  const { control, prober, nodes, postgres, nats, redis } = cluster
  await gatherTables(postgres.server.url, places)
  await gatherStreams(nats.server.url, places)
  await gatherRedis(redis.server.url, places)
  for (const { dataDir } of nodes) await gatherFiles(dataDir, places)
  const operations = [cluster.controlUrl, cluster.proberUrl, ...nodes.map(({ opsUrl }) => opsUrl)]
  const problems: string[] = []
  for (const url of operations) {
    const answer = await fetch(`${url}/metrics`)
    places.add(GATHERED.metrics, url, await answer.text())
    if (!answer.ok) problems.push(`${url}/metrics answers ${answer.status}`)
  }
  // Last: what they say about being asked belongs to it.
  for (const role of [control, ...(prober === null ? [] : [prober]), ...nodes.map((node) => node.role)]) {
    places.add(GATHERED.logs, role.name, role.lines.join('\n'))
    if (role.lines.length >= KEPT_LINES) problems.push(`${role.name} said more than is kept`)
  }
  return problems
}

async function gatherTables(url: string, places: Places): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const tables = await client.query<{ name: string }>(
      `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
       where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`,
    )
    for (const { name } of tables.rows) {
      const { rows } = await client.query<{ row: string }>(`select t::text as row from only ${name} t`)
      // Column by column a quote is doubled, and a backslash; both ways are searched.
      const text = rows.map(({ row }) => row).join('\n')
      places.add(GATHERED.tables, name, text)
      const json = await client.query<{ row: string }>(`select to_json(t)::text as row from only ${name} t`)
      places.add(GATHERED.tables, `${name} as JSON`, json.rows.map(({ row }) => row).join('\n'))
    }
  } finally {
    await client.end()
  }
}

/** Buckets are streams too. */
async function gatherStreams(url: string, places: Places): Promise<void> {
  const connection = await connect(natsConnectionOptions(url, 'canary'))
  try {
    const manager = await jetstreamManager(connection)
    for await (const { config, state } of manager.streams.list()) {
      places.add(GATHERED.streams, config.name, JSON.stringify(config))
      for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
        const message = await manager.streams.getMessage(config.name, { seq }).catch(() => null)
        if (message === null) continue
        const head = Buffer.from(`${message.subject} ${[...message.header].flat(2).join(' ')} `)
        places.add(GATHERED.streams, `${config.name} ${seq}`, Buffer.concat([head, message.data]))
      }
    }
  } finally {
    await connection.close()
  }
}

async function gatherRedis(url: string, places: Places): Promise<void> {
  const redis = new Redis(url)
  try {
    for (const key of await redis.keys('*')) places.add(GATHERED.redis, key, await valueOf(redis, key))
  } finally {
    redis.disconnect()
  }
}

async function valueOf(redis: Redis, key: string): Promise<Buffer> {
  const name = Buffer.from(`${key} `)
  const type = await redis.type(key)
  if (type === 'string') return Buffer.concat([name, (await redis.getBuffer(key)) ?? Buffer.alloc(0)])
  const commands: Readonly<Record<string, readonly [string, ...string[]]>> = {
    list: ['lrange', key, '0', '-1'],
    hash: ['hgetall', key],
    set: ['smembers', key],
    zset: ['zrange', key, '0', '-1'],
    stream: ['xrange', key, '-', '+'],
  }
  const [command, ...args] = commands[type] ?? []
  // Gone meanwhile: its name is searched.
  if (command === undefined && type === 'none') return name
  if (command === undefined) throw new Error(`a value of type ${type} cannot be read`)
  return Buffer.concat([name, ...flat(await redis.callBuffer(command, ...args))])
}

function flat(answer: unknown): readonly Buffer[] {
  if (Array.isArray(answer)) return answer.flatMap(flat)
  return Buffer.isBuffer(answer) ? [answer, Buffer.from('\n')] : []
}

async function gatherFiles(folder: string, places: Places): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    places.add(GATHERED.disk, path, Buffer.concat([Buffer.from(`${path}\n`), await readFile(path)]))
  }
}
