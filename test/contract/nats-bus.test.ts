import { createServer, type AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { BusUnavailable, type Bus } from '#contracts/bus/bus.ts'
import { natsConnectionOptions, NatsBus } from '#contracts/bus/nats.ts'
import { eventually } from '../eventually.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { isDoneBefore } from '../order.ts'
import { startNats, uniqueName } from '../services/services.ts'
import type { Server } from '../services/server.ts'

/** A bus on a server of its own, through a proxy, and what it complained of. */
type Rig = AsyncDisposable &
  Readonly<{ server: Server; proxy: FaultProxy; bus: NatsBus; join: () => NatsBus; problems: string[] }>

async function startRig(): Promise<Rig> {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await startNats())
  const proxy = stack.use(await FaultProxy.start(server.url))
  const prefix = uniqueName()
  const problems: string[] = []
  const join = (): NatsBus => stack.use(makeBus(proxy.via(server.url), problems, prefix))
  const bus = join()
  await eventually(() => bus.connected)
  return { server, proxy, bus, join, problems, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const makeBus = (url: string, problems: string[] = [], prefix = uniqueName()): NatsBus =>
  new NatsBus({
    url,
    prefix,
    name: 'resilience',
    replicas: 1,
    onProblem: (message) => problems.push(message),
  })

/** Longest wait of a question, which ends with it, in milliseconds. */
const ANSWER_MS = 2_500
/** Three pings of 1.5 s without an answer, and room for them to be late; TCP by itself takes minutes. */
const NOTICED_MS = 15_000

const isRefusedAtOnce = async (asking: Promise<unknown>): Promise<boolean> => {
  const isAtOnce = await isDoneBefore(100, asking)
  await expect(asking).rejects.toThrow(BusUnavailable)
  return isAtOnce
}

const everything = (bus: Bus): readonly Promise<unknown>[] => [
  bus.commits.create(9, 1),
  bus.commits.range(1),
  bus.commits.append(1, 2, 'x'),
  bus.commits.read(1, 1),
  bus.registers.get('lease'),
  bus.registers.put('lease', 'x', 'any'),
  bus.registers.put('lease', 'x', 1),
]

describe('the options of the NATS connection', () => {
  test('never give up, notice a dead link in time, and do not wait on the way up', () => {
    expect(natsConnectionOptions('nats://127.0.0.1:4222', 'test')).toEqual({
      name: 'test',
      servers: ['127.0.0.1:4222'],
      waitOnFirstConnect: false,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 100,
      timeout: 2_000,
      pingInterval: 1_500,
      maxPingOut: 2,
      ignoreClusterUpdates: false,
    })
  })

  test('take credentials and every server from the address', () => {
    expect(natsConnectionOptions('tls://us%40er:p%3Ass@a:4222,tls://b:4223', 'test')).toMatchObject({
      servers: ['a:4222', 'b:4223'],
      user: 'us@er',
      pass: 'p:ss',
      tls: {},
    })
    expect(natsConnectionOptions('nats://t%2Foken@a:4222', 'test')).toMatchObject({ token: 't/oken' })
  })
})

// Side by side: they spend their time waiting.
describe.concurrent('the NATS bus', () => {
  test('is back when a killed server is, with everything it held', async () => {
    await using rig = await startRig()
    const { server, bus, join } = rig
    const other = join()
    await eventually(() => other.connected)
    await bus.commits.create(1, 1)
    for (let commit = 1; commit <= 50; commit++) await bus.commits.append(1, commit, `c${commit}`)
    const lease = await bus.registers.put('lease', 'mine', 0)
    const heard: string[] = []
    other.subscribe('live.subject', (text) => heard.push(text))
    const live: string[] = []
    other.commits.live(1, (text) => live.push(text))

    const statuses: boolean[] = []
    bus.onStatus((connected) => statuses.push(connected))
    await server.kill('SIGKILL')
    await eventually(() => !bus.connected && !other.connected)
    expect(bus.publish('live.subject', 'while down')).toBe(false)
    for (const asking of everything(bus)) expect(await isRefusedAtOnce(asking)).toBe(true)

    await server.restart()
    await eventually(() => bus.connected && other.connected)
    expect(statuses).toEqual([false, true])

    expect(await bus.commits.range(1)).toEqual({ first: 1, last: 50 })
    expect(await bus.commits.read(1, 50)).toBe('c50')
    expect(await bus.registers.get('lease')).toEqual({ value: 'mine', revision: lease })
    expect(await bus.registers.put('lease', 'again', Number(lease))).not.toBe('conflict')
    // Subscriptions outlive the connection; what was published while it was down is not sent late.
    await bus.commits.append(1, 51, 'c51')
    bus.publish('live.subject', 'after')
    await eventually(() => heard.length > 0 && live.length > 0)
    expect([heard, live]).toEqual([['after'], ['c51']])
  })

  test('answers by its own clock, and notices, when the server falls silent', async () => {
    await using rig = await startRig()
    const { proxy, bus } = rig
    await bus.commits.create(1, 1)
    await bus.commits.append(1, 1, 'one')
    await bus.registers.put('lease', 'x', 0)
    const noticed = new Promise<boolean>((resolve) => bus.onStatus(resolve))
    proxy.blackHole()
    const isNoticed = isDoneBefore(NOTICED_MS, noticed)
    const asked = everything(bus)
    const answered = await Promise.all(asked.map((asking) => isDoneBefore(ANSWER_MS, asking)))
    expect(answered).toEqual(asked.map(() => true))
    for (const asking of asked) await expect(asking).rejects.toThrow(BusUnavailable)
    expect(await isNoticed).toBe(true)
    expect(bus.connected).toBe(false)
    expect(bus.publish('any.subject', 'x')).toBe(false)

    proxy.heal()
    await eventually(() => bus.connected)
    expect(await bus.commits.range(1)).not.toBeNull()
  })

  test('notices a link that is dead in one direction only', async () => {
    await using rig = await startRig()
    const { proxy, bus } = rig
    proxy.partition('down')
    await eventually(() => !bus.connected, NOTICED_MS, 'noticing')
    proxy.heal()
    await eventually(() => bus.connected)
  })

  test('stays up through a reset of every connection', async () => {
    await using rig = await startRig()
    const { proxy, bus } = rig
    const heard: string[] = []
    bus.subscribe('some.subject', (text) => heard.push(text))
    for (let round = 0; round < 3; round++) {
      proxy.resetAll()
      await eventually(() => !bus.connected)
      await eventually(() => bus.connected)
    }
    bus.publish('some.subject', 'once')
    await eventually(() => heard.length > 0)
    expect(heard).toEqual(['once'])
  })

  test('starts while the server is down and joins when it comes up', async () => {
    await using server = await startNats()
    await server.kill('SIGKILL')
    await using bus = makeBus(server.url)
    const heard: string[] = []
    bus.subscribe('early.subject', (text) => heard.push(text))
    expect(bus.connected).toBe(false)
    expect(bus.publish('early.subject', 'too early')).toBe(false)
    expect(await isRefusedAtOnce(bus.commits.range(1))).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 600))
    await server.restart()
    await eventually(() => bus.connected)
    bus.publish('early.subject', 'in time')
    await eventually(() => heard.length > 0)
    expect(heard).toEqual(['in time'])
  })

  test('makes its registers again on a server that has lost its disk', async () => {
    await using rig = await startRig()
    const { server, bus } = rig
    await bus.commits.create(1, 1)
    await bus.commits.append(1, 1, 'lost')
    await bus.registers.put('lease', 'lost', 0)
    await server.stop()
    await using _empty = await startNats({ port: server.port })
    await eventually(() => bus.connected)
    expect(await bus.commits.range(1)).toBeNull()
    expect(await bus.commits.append(1, 2, 'orphan')).toBe('conflict')
    // The bucket was there a moment ago: the first answer may be that it is gone, the next ones are not.
    await eventually(() =>
      bus.registers.get('lease').then(
        (found) => found === null,
        () => false,
      ),
    )
    expect(await bus.registers.put('lease', 'new', 0)).toBe(1)
  })

  test('goes on trying, not too often, when it is turned away, and stops when it is told to', async () => {
    let turnedAway = 0
    const bouncer = createServer((socket) => {
      turnedAway += 1
      socket.on('error', () => undefined)
      const info = {
        server_id: 'S',
        version: '2.9.10',
        proto: 1,
        max_payload: 1_048_576,
        auth_required: true,
      }
      socket.write(`INFO ${JSON.stringify(info)}\r\n`)
      socket.once('data', () => socket.end("-ERR 'Authorization Violation'\r\n"))
    })
    await new Promise<void>((resolve) => bouncer.listen(0, '127.0.0.1', resolve))
    const problems: string[] = []
    const bus = makeBus(`nats://user:wrong@127.0.0.1:${(bouncer.address() as AddressInfo).port}`, problems)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(turnedAway).toBeGreaterThan(2)
    expect(turnedAway).toBeLessThan(12)
    // Said once, not at every try: this goes into a log.
    expect(problems).toEqual([expect.stringMatching(/authori[sz]ation/i)])
    expect(problems.join()).not.toContain('wrong')

    await bus[Symbol.asyncDispose]()
    // A connection that was on its way may still be seen.
    let before = -1
    await eventually(async () => {
      before = turnedAway
      await new Promise((resolve) => setTimeout(resolve, 50))
      return before === turnedAway
    })
    await new Promise((resolve) => setTimeout(resolve, 800))
    expect(turnedAway).toBe(before)
    bouncer.close()
  })

  test('drops a message larger than the server takes, and says so', async () => {
    await using rig = await startRig()
    const { bus, problems } = rig
    expect(bus.publish('large.subject', 'x'.repeat(2 * 1_048_576))).toBe(false)
    expect(problems).toEqual([expect.stringMatching(/large\.subject/)])
    expect(bus.connected).toBe(true)
  })

  test('goes on when a listener throws', async () => {
    await using rig = await startRig()
    const { bus } = rig
    const heard: string[] = []
    bus.subscribe('some.subject', () => {
      throw new Error('a bug in the listener')
    })
    bus.subscribe('some.subject', (text) => heard.push(text))
    bus.publish('some.subject', 'one')
    bus.publish('some.subject', 'two')
    await eventually(() => heard.length === 2)
  })
})
