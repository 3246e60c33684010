import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { turns } from '#test/eventually.ts'
import { answerTo, ask, CONNECT, OriginRig, RecordedReceiver, smallRequest } from '#test/fakes/origin-rig.ts'
import { answered, EVENT_STREAM, headOf } from '#test/fakes/raw-upstream.ts'
import { ENDED } from './ended.ts'

let rig: OriginRig
beforeEach(() => {
  rig = new OriginRig()
})
afterEach(() => rig[Symbol.asyncDispose]())

const OK = answered(200, {}, 'yes')

describe('a connection', () => {
  test('is used by one request at a time', async () => {
    const held: Socket[] = []
    const up = await rig.upstream((socket) => void held.push(socket))
    const origin = rig.origin(up)
    const asked = [ask(origin), ask(origin), ask(origin)]
    await vi.waitFor(() => expect(held).toHaveLength(3))
    expect(new Set(held).size).toBe(3)
    for (const socket of held) socket.write(OK)
    for (const { receiver } of asked) expect(await receiver.over).toMatchObject({ text: 'yes' })
  })

  test('rests for a turn, so that nobody is sent into one that was closed right behind its answer', async () => {
    const up = await rig.upstream((socket) => socket.end(OK))
    const origin = rig.origin(up)
    const asked: RecordedReceiver[] = []
    const askNext = (): void => {
      if (asked.length === 20) return
      const receiver = new RecordedReceiver((told) => {
        if (told === 'end') askNext()
      })
      asked.push(receiver)
      origin.dispatch(smallRequest(), receiver)
    }
    askNext()
    for (const receiver of asked) expect(await receiver.over).toMatchObject({ text: 'yes', code: null })
    expect(asked).toHaveLength(20)
    expect(up.connections).toBe(20)
  })

  test('that was used last is used first, so that those too many are closed', async () => {
    const used: Socket[] = []
    const held: Socket[] = []
    let isHolding = true
    const up = await rig.upstream((socket) => {
      used.push(socket)
      if (isHolding) held.push(socket)
      else socket.write(OK)
    })
    const origin = rig.origin(up)
    const [one, other] = [ask(origin), ask(origin)]
    await vi.waitFor(() => expect(held).toHaveLength(2))
    held[0]?.write(OK)
    await one.receiver.over
    await turns(3)
    held[1]?.write(OK)
    await other.receiver.over
    await turns(3)
    isHolding = false
    await answerTo(origin)
    expect(used[2]).toBe(held[1])
  })

  test('that was used before is not taken for who wants a fresh one', async () => {
    const up = await rig.upstream((socket) => socket.write(OK))
    const origin = rig.origin(up, CONNECT, 2)
    await answerTo(origin)
    await answerTo(origin, { isFresh: true })
    expect(up).toMatchObject({ connections: 2, open: 2 })
    // There is no room for a third: the one that has been idle longest goes.
    await answerTo(origin, { isFresh: true })
    await vi.waitFor(() => expect(up).toMatchObject({ connections: 3, open: 2 }))
  })

  test('that the other side closes while it is idle is forgotten', async () => {
    const up = await rig.upstream((socket) => {
      socket.write(OK)
      setTimeout(() => socket.end(), 20)
    })
    const origin = rig.origin(up)
    await answerTo(origin)
    await vi.waitFor(() => expect(up.open).toBe(0))
    expect(await answerTo(origin)).toMatchObject({ text: 'yes' })
    expect(up.connections).toBe(2)
  })

  test('is closed before its server would, and no sooner', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    rig.defer(() => void vi.useRealTimers())
    let keep = 'timeout=60'
    const up = await rig.upstream((socket) => socket.write(answered(200, { 'keep-alive': keep }, 'yes')))
    const origin = rig.origin(up)
    const opens = async (ms: number): Promise<number> => {
      vi.advanceTimersByTime(ms)
      await turns(5)
      return up.open
    }
    await answerTo(origin)
    expect(await opens(57_500)).toBe(1)
    await answerTo(origin)
    // Since it was used last.
    expect(await opens(57_500)).toBe(1)
    expect(up.connections).toBe(1)
    expect(await opens(1_500)).toBe(0)
    keep = 'max=5'
    await answerTo(origin)
    expect(await opens(3_500)).toBe(1)
    expect(await opens(1_500)).toBe(0)
    keep = 'timeout=86400'
    await answerTo(origin)
    expect(await opens(590_000)).toBe(1)
    expect(await opens(11_000)).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('an origin with as many connections as it may have', () => {
  test('lets requests wait, in order, for the next that is free', async () => {
    const order: string[] = []
    const up = await rig.upstream((socket, { body }) => {
      order.push(body)
      setTimeout(() => socket.write(OK), 5)
    })
    const origin = rig.origin(up, CONNECT, 2)
    const asked = Array.from({ length: 7 }, (_none, at) => ask(origin, { body: Buffer.from(String(at)) }))
    asked[4]?.call.abort()
    for (const [at, { receiver }] of asked.entries())
      if (at !== 4) expect(await receiver.over).toMatchObject({ text: 'yes' })
    expect(order).toEqual(['0', '1', '2', '3', '5', '6'])
    expect(up.connections).toBe(2)
  })

  test('sends those that wait before what is asked meanwhile', async () => {
    const order: string[] = []
    const up = await rig.upstream((socket, { body }) => {
      order.push(body)
      socket.write(OK)
    })
    const origin = rig.origin(up, CONNECT, 1)
    const asked = (text: string, on?: () => void) => ask(origin, { body: Buffer.from(text) }, on).receiver
    await answerTo(origin)
    const late: RecordedReceiver[] = []
    const first = asked('1', () => {
      if (late.length === 0) late.push(asked('3'))
    })
    const second = asked('2')
    await Promise.all([first.over, second.over])
    await late[0]?.over
    expect(order.slice(1)).toEqual(['1', '2', '3'])
  })

  test('keeps nothing of a request that is given up while it waits', async () => {
    const up = await rig.upstream(() => undefined)
    const origin = rig.origin(up, CONNECT, 1)
    const first = ask(origin)
    await vi.waitFor(() => expect(first.receiver.told).toEqual(['start']))
    const live = ask(origin)
    const isLet = Promise.withResolvers<boolean>()
    const registry = new FinalizationRegistry<boolean>(isLet.resolve)
    ;((): void => {
      const body = Buffer.alloc(1_000_000)
      registry.register(body, true)
      ask(origin, { body }).call.abort()
    })()
    await turns(3)
    setFlagsFromString('--expose-gc')
    const gc: unknown = runInNewContext('gc')
    setFlagsFromString('--no-expose-gc')
    const collect = setInterval(() => (typeof gc === 'function' ? gc() : isLet.resolve(false)), 10)
    rig.defer(() => clearInterval(collect))
    expect(await isLet.promise).toBe(true)
    live.call.abort()
  })

  test('goes on when one of them is lost, cannot be opened, or is given up', async () => {
    let count = 0
    const up = await rig.upstream((socket) => {
      count += 1
      if (count === 1) socket.destroy()
      else if (count > 2) socket.write(OK)
    })
    let opened = 0
    const origin = rig.origin(
      up,
      (target, callback) => {
        opened += 1
        if (opened === 2) throw new Error('not today')
        if (opened === 3) setTimeout(() => callback(new Error('nor today'), null), 10)
        else CONNECT(target, callback)
      },
      1,
    )
    const [lost, thrown, unopened] = [ask(origin), ask(origin), ask(origin)]
    const [given, last] = [ask(origin), ask(origin)]
    expect((await lost.receiver.over).code).not.toBeNull()
    expect((await thrown.receiver.over).code).toBe(ENDED.unreached)
    expect((await unopened.receiver.over).code).toBe(ENDED.unreached)
    await vi.waitFor(() => expect(given.receiver.told).toEqual(['start']))
    await vi.waitFor(() => expect(up.requests).toHaveLength(2))
    given.call.abort()
    expect(await last.receiver.over).toMatchObject({ text: 'yes', code: null })
  })
})

describe('an origin that is closed', () => {
  test('closes its idle connections at once', async () => {
    const up = await rig.upstream((socket) => socket.write(OK))
    const origin = rig.origin(up)
    await answerTo(origin)
    expect(up.open).toBe(1)
    origin.close()
    await vi.waitFor(() => expect(up.open).toBe(0))
  })

  test('answers what it was asked before, takes nothing more, and closes its connections', async () => {
    const held: Socket[] = []
    const up = await rig.upstream((socket) => void held.push(socket))
    const origin = rig.origin(up, CONNECT, 2)
    const before = [ask(origin), ask(origin), ask(origin)]
    await vi.waitFor(() => expect(held).toHaveLength(2))
    origin.close()
    const after = ask(origin).receiver
    expect(after.told).toEqual([])
    expect(await after.over).toMatchObject({ code: ENDED.gone, told: ['error'] })
    // In one turn: whoever waits takes the place of one, and the other is closed.
    held[0]?.write(OK)
    held[1]?.write(OK)
    await vi.waitFor(() => expect(held).toHaveLength(3))
    await vi.waitFor(() => expect(up.open).toBe(1))
    held[2]?.write(OK)
    for (const { receiver } of before) expect(await receiver.over).toMatchObject({ text: 'yes', code: null })
    await vi.waitFor(() => expect(up.open).toBe(0))
  })

  test('for good tells whoever waits for a connection that is being opened', async () => {
    const up = await rig.upstream((socket) => socket.write(OK))
    let open = (): void => undefined
    const origin = rig.origin(up, (target, callback) => {
      open = () => CONNECT(target, callback)
    })
    const { receiver } = ask(origin)
    await turns(1)
    await origin[Symbol.asyncDispose]()
    expect(await receiver.over).toMatchObject({ code: ENDED.gone, told: ['error'] })
    open()
    await vi.waitFor(() => expect(up).toMatchObject({ connections: 1, open: 0 }))
  })

  test('for good tells everybody', async () => {
    const up = await rig.upstream((socket) => socket.write(headOf(200, EVENT_STREAM)))
    const origin = rig.origin(up, CONNECT, 1)
    const under = ask(origin).receiver
    const waiting = ask(origin).receiver
    await vi.waitFor(() => expect(under.status).toBe(200))
    await origin[Symbol.asyncDispose]()
    expect(await under.over).toMatchObject({ code: ENDED.gone })
    expect(await waiting.over).toMatchObject({ code: ENDED.gone, told: ['error'] })
    expect(await answerTo(origin)).toMatchObject({ code: ENDED.gone })
    await vi.waitFor(() => expect(up.open).toBe(0))
  })
})
