import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Bus, CommitStream } from '#contracts/bus/bus.ts'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import { NatsBus } from '#contracts/bus/nats.ts'
import { subjectsOf } from '#contracts/bus/subjects.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { CHAIN_START } from '#contracts/commit/chain.ts'
import type { WireCommit } from '#contracts/commit/commit.ts'
import { signCommit } from '#contracts/commit/signed.ts'
import { providerId, providerStream } from '#contracts/ids.ts'
import { silentLogger, type Logger } from '#contracts/process/logger.ts'
import { deriveKeys } from '#contracts/security/master-key.ts'
import { buildCommits } from '#test/arbitraries/commits.ts'
import { eventually } from '#test/eventually.ts'
import { freshNats } from '#test/services/services.ts'
import { Relay, type RelayPorts } from './relay.ts'

const KEY = deriveKeys(Buffer.alloc(32, 7)).commits
const OTHER_KEY = deriveKeys(Buffer.alloc(32, 8)).commits

/** Commits 1 to n of one history, or of another. */
function history(length: number, name = 'ours'): readonly WireCommit[] {
  const stream = providerStream(providerId('a'))
  return buildCommits(
    Array.from({ length }, (_, at): readonly CatalogEvent[] => [
      { type: 'ProviderRenamed', stream, body: { name: `${name} ${at}` } },
    ]),
  )
}
const OURS = history(600)

/** A log that others append to: it ends wherever the test says. */
class Log {
  length: number
  epoch = 1
  /** Reads begun. */
  reads = 0
  away = false

  constructor(length: number) {
    this.length = length
  }

  get ports(): Pick<RelayPorts, 'head' | 'read'> {
    return {
      head: () => ({
        commit: this.length,
        epoch: this.epoch,
        chain: OURS[this.length - 1]?.chain ?? CHAIN_START,
      }),
      read: async (after, limit) => {
        this.reads += 1
        if (this.away) throw new Error('the database is away')
        return OURS.slice(after, Math.min(this.length, after + limit))
      },
    }
  }
}

type Host = AsyncDisposable &
  Readonly<{
    join: () => Promise<Bus>
    /** The broker forgets the stream altogether. */
    forget: (epoch: number) => Promise<void>
  }>

async function inProcess(): Promise<Host> {
  const broker = new MemoryBroker()
  return {
    join: async () => broker.connect(),
    forget: async (epoch) => void broker.streams.delete(epoch),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

async function onNats(): Promise<Host> {
  await using stack = new AsyncDisposableStack()
  const { url, prefix } = stack.use(await freshNats())
  const direct = stack.adopt(await connect({ servers: new URL(url).host }), (connection) =>
    connection.close(),
  )
  const manager = await jetstreamManager(direct)
  const host = stack.move()
  return {
    join: async () => {
      const bus = new NatsBus({ url, prefix, name: 'relay', replicas: 1, onProblem: () => undefined })
      await eventually(() => bus.connected)
      return bus
    },
    forget: async (epoch) => void (await manager.streams.delete(subjectsOf(prefix).commitStream(epoch))),
    [Symbol.asyncDispose]: () => host.disposeAsync(),
  }
}

describe.each([
  ['in process', inProcess],
  ['on NATS', onNats],
])('the relay, %s', (_, start) => {
  let stack: AsyncDisposableStack
  let host: Host
  let bus: Bus
  let errors: string[]

  beforeEach(async () => {
    stack = new AsyncDisposableStack()
    host = stack.use(await start())
    bus = stack.use(await host.join())
    errors = []
  })
  afterEach(() => stack.disposeAsync())

  const relay = (log: Log, over: Bus = bus): Relay => {
    const logger: Logger = { ...silentLogger, error: (_fields, message) => void errors.push(message) }
    return stack.use(new Relay({ stream: over.commits, ...log.ports, key: KEY, logger }))
  }
  const becomes = (one: Relay, kind: string): Promise<void> =>
    eventually(() => one.state.kind === kind, 10_000, `${kind} (it is ${JSON.stringify(one.state)})`)

  /** Everything the stream holds, oldest first. */
  async function held(epoch = 1): Promise<readonly (string | null)[]> {
    const range = await bus.commits.range(epoch)
    if (range === null) return []
    const numbers = Array.from({ length: range.last - range.first + 1 }, (_one, at) => range.first + at)
    return Promise.all(numbers.map((number) => bus.commits.read(epoch, number)))
  }
  const signed = (wires: readonly WireCommit[], key = KEY): readonly string[] =>
    wires.map((wire) => signCommit(wire, key))

  /** The stream as somebody else left it. */
  async function hold(texts: readonly string[], epoch = 1): Promise<void> {
    await bus.commits.create(epoch, 1)
    for (const [at, text] of texts.entries())
      expect(await bus.commits.append(epoch, at + 1, text)).toBe('stored')
  }

  test('makes the stream and writes the whole log to it, each commit under its number, signed', async () => {
    const one = relay(new Log(600))
    await becomes(one, 'current')
    expect(await held()).toEqual(signed(OURS))
    expect(one.published).toBe(600)
  })

  test('writes what is new when it is rung for', async () => {
    const log = new Log(3)
    const one = relay(log)
    await becomes(one, 'current')
    for (let at = 0; at < 20; at++) {
      log.length += 1
      one.ring()
      await eventually(async () => (await bus.commits.range(1))?.last === log.length)
    }
    expect(await held()).toEqual(signed(OURS.slice(0, 23)))
  })

  test('neither looks nor reads where what rings follows what it has written', async () => {
    const log = new Log(3)
    const one = relay(log)
    await becomes(one, 'current')
    const { reads } = log
    for (let at = 0; at < 20; at++) {
      log.length += 1
      one.ring(OURS.slice(log.length - 1, log.length))
      await eventually(async () => (await bus.commits.range(1))?.last === log.length)
    }
    expect(log.reads).toBe(reads)
    expect([one.state.kind, one.published]).toEqual(['current', 23])
    expect(await held()).toEqual(signed(OURS.slice(0, 23)))
  })

  test('looks again where the broker lost what it has written, though it is rung for what follows', async () => {
    const log = new Log(20)
    const one = relay(log)
    await becomes(one, 'current')
    await host.forget(1)
    log.length = 21
    one.ring(OURS.slice(20, 21))
    await eventually(async () => (await held()).length === 21)
    expect(await held()).toEqual(signed(OURS.slice(0, 21)))
  })

  test('writes nothing where nothing is missing', async () => {
    await hold(signed(OURS.slice(0, 5)))
    const one = relay(new Log(5))
    await becomes(one, 'current')
    expect(one.published).toBe(0)
  })

  test('writes again what the broker lost of the end', async () => {
    await hold(signed(OURS.slice(0, 40)))
    const one = relay(new Log(100))
    await becomes(one, 'current')
    expect(one.published).toBe(60)
    expect(await held()).toEqual(signed(OURS.slice(0, 100)))
  })

  test('writes everything again when the broker lost the stream, without being rung for', async () => {
    const one = relay(new Log(50))
    await becomes(one, 'current')
    await host.forget(1)
    await eventually(async () => (await held()).length === 50)
    expect(await held()).toEqual(signed(OURS.slice(0, 50)))
  })

  test('writes nothing over a stream that holds more than the log, says so once, and goes on when the log has it', async () => {
    const ahead = signed(OURS.slice(0, 12))
    await hold(ahead)
    const log = new Log(10)
    const one = relay(log)
    await becomes(one, 'diverged')
    expect(one.state).toMatchObject({ reason: 'it ends with commit 12, the log with 10' })
    for (let at = 0; at < 3; at++) one.ring()
    await eventually(() => one.state.kind === 'diverged' && errors.length > 0)
    expect(await held()).toEqual(ahead)
    expect([one.published, errors.length]).toEqual([0, 1])
    log.length = 15
    await becomes(one, 'current')
    expect(await held()).toEqual(signed(OURS.slice(0, 15)))
  })

  test.each([
    ['of another history', signed(history(5, 'theirs'))],
    ['signed by another installation', signed(OURS.slice(0, 5), OTHER_KEY)],
    ['that nobody of us wrote', ['1', '2', '3', '4', 'rubbish']],
  ])('writes nothing after a commit %s', async (_what, texts) => {
    await hold(texts)
    const one = relay(new Log(8))
    await becomes(one, 'diverged')
    expect(one.state).toMatchObject({ reason: "its commit 5 is not the log's" })
    expect(await held()).toEqual(texts)
    expect(one.published).toBe(0)
  })

  test('goes on after messages that the broker has lost, and whose numbers are taken', async () => {
    await hold(signed(OURS.slice(0, 5)))
    const read: CommitStream['read'] = async (epoch, commit) =>
      commit === 4 || commit === 5 ? null : bus.commits.read(epoch, commit)
    const { create, range, append, live } = bus.commits
    const stream: CommitStream = {
      create: create.bind(bus.commits),
      range: range.bind(bus.commits),
      append: append.bind(bus.commits),
      live: live.bind(bus.commits),
      read,
    }
    await using one = new Relay({ stream, ...new Log(8).ports, key: KEY, logger: silentLogger })
    await eventually(() => one.state.kind === 'diverged' || one.published === 3, 10_000)
    expect(await held()).toEqual(signed(OURS.slice(0, 8)))
  })

  test('stands still, without an alarm, where the log goes on with a later release', async () => {
    const one = stack.use(
      new Relay({
        stream: bus.commits,
        ...new Log(8).ports,
        head: () => null,
        key: KEY,
        logger: silentLogger,
      }),
    )
    await becomes(one, 'waiting')
    expect(one.published).toBe(0)
  })

  test('begins a new stream with a new epoch, and leaves the old one as it is', async () => {
    await hold(['rubbish'])
    const log = new Log(8)
    const one = relay(log)
    await becomes(one, 'diverged')
    log.epoch = 2
    await becomes(one, 'current')
    expect(await held(2)).toEqual(signed(OURS.slice(0, 8)))
    expect(await held(1)).toEqual(['rubbish'])
  })

  test('and others together write each commit once and in order', async () => {
    const logs = [new Log(1), new Log(1), new Log(1)]
    const relays = await Promise.all(logs.map(async (log) => relay(log, stack.use(await host.join()))))
    for (let length = 1; length <= 300; length += 23) {
      for (const [at, log] of logs.entries()) {
        log.length = length
        relays[at]?.ring()
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const log of logs) log.length = 300
    await eventually(async () => (await bus.commits.range(1))?.last === 300)
    for (const one of relays) await becomes(one, 'current')
    expect(await held()).toEqual(signed(OURS.slice(0, 300)))
    expect(relays.reduce((sum, { published }) => sum + published, 0)).toBe(300)
  })

  test('waits for a log that cannot be read, and says why', async () => {
    const log = new Log(5)
    log.away = true
    const one = relay(log)
    await becomes(one, 'waiting')
    expect(one.state).toMatchObject({ reason: 'the database is away' })
    log.away = false
    await becomes(one, 'current')
    expect(await held()).toHaveLength(5)
  })

  test('looks no more once it is disposed of', async () => {
    const log = new Log(2)
    const one = relay(log)
    await becomes(one, 'current')
    await one[Symbol.asyncDispose]()
    log.length = 4
    one.ring()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await held()).toHaveLength(2)
  })
})

test('a relay waits while the bus is away, and writes when it is back', async () => {
  const broker = new MemoryBroker()
  const bus = broker.connect()
  bus.setDown(true)
  const log = new Log(5)
  await using one = new Relay({ stream: bus.commits, ...log.ports, key: KEY, logger: silentLogger })
  await eventually(() => one.state.kind === 'waiting')
  expect(log.reads).toBe(0)
  bus.setDown(false)
  await eventually(() => one.state.kind === 'current')
  expect(broker.streams.get(1)?.messages).toHaveLength(5)
})
