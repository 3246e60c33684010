import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { eventually } from '#test/eventually.ts'
import { answer, asked, ClientRig, heard, OTHER, plainHead } from '#test/listener/client-rig.ts'

let rig: ClientRig
afterEach(() => rig[Symbol.asyncDispose]())

describe('a client that sends no more', () => {
  test('in the middle of a body is told so', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const socket = rig.connect(plainHead(10), 'abc')
    const { client } = await next
    const closed = vi.fn()
    client.onClose(closed)
    void client.readBody(10)
    socket.end()
    await eventually(() => closed.mock.calls.length === 1)
    expect([rig.refused, closed.mock.calls]).toEqual([['HPE_INVALID_EOF_STATE'], [[false]]])
  })

  test('behind a request that is being answered has left', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const said = heard(rig.connect().end(asked('1')))
    const { client } = await next
    const closed = vi.fn()
    client.onClose(closed)
    await eventually(() => said.isOver)
    expect([closed.mock.calls, rig.refused]).toEqual([[[false]], []])
  })

  test('still gets all of an answer that was told', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const socket = connect({ port: rig.port, host: '127.0.0.1', allowHalfOpen: true }).pause()
    socket.write(asked('1'))
    const { client } = await next
    client.begin(200, [])
    client.end(Buffer.alloc(5_000_000, 'x'))
    socket.end()
    await sleep(20)
    const said = heard(socket)
    socket.resume()
    await eventually(() => said.isOver)
    expect([said.text.length > 5_000_000, said.text.endsWith('0\r\n\r\n')]).toEqual([true, true])
  })

  test('has left, and what it still had to ask is not begun', async () => {
    rig = await ClientRig.start('plain')
    const socket = rig.connect()
    const said = heard(socket)
    socket.end(asked('1') + asked('2') + OTHER)
    await eventually(() => rig.arrived.length > 0)
    answer(rig.arrived[0]!)
    await eventually(() => said.isOver)
    await sleep(20)
    expect([rig.ways, rig.refused]).toEqual([['plain'], []])
  })
})

describe('a client that takes too long', () => {
  const quick = { check: 5, headers: 20, request: 60, keepAlive: 40 }

  test('to ask for anything is told so', async () => {
    rig = await ClientRig.start('plain', quick)
    const said = heard(rig.connect())
    await eventually(() => said.isOver)
    expect(rig.refused).toEqual(['ERR_HTTP_REQUEST_TIMEOUT'])
  })

  test('to send its body is told so, and its request is over', async () => {
    rig = await ClientRig.start('plain', quick)
    const next = rig.next()
    const said = heard(rig.connect(plainHead(10), 'abc'))
    const { client } = await next
    const closed = vi.fn()
    client.onClose(closed)
    void client.readBody(10)
    await eventually(() => said.isOver && closed.mock.calls.length === 1)
    expect([rig.refused, closed.mock.calls]).toEqual([['ERR_HTTP_REQUEST_TIMEOUT'], [[false]]])
  })

  test('to ask again loses the connection, and is told nothing', async () => {
    rig = await ClientRig.start('plain', quick)
    const next = rig.next()
    const said = heard(rig.connect(asked('')))
    answer(await next, 'done')
    await eventually(() => said.isOver)
    expect([rig.refused, said.text.endsWith('done')]).toEqual([[], true])
  })

  test('is not one that asks again and again, each time in time', async () => {
    const waits = { check: 20, headers: 2_000, request: 2_000, keepAlive: 10_000 }
    rig = await ClientRig.start('plain', waits)
    const socket = rig.connect()
    const said = heard(socket)
    for (let count = 1; count <= 2; count++) {
      await sleep(1_100)
      const next = rig.next()
      socket.write(plainHead(6))
      await sleep(1_100)
      socket.write('abcdef')
      answer(await next, `answer ${count}`)
      await eventually(() => said.text.endsWith(`answer ${count}`))
    }
    expect([rig.ways, rig.refused]).toEqual([['plain', 'plain'], []])
  })

  test('to ask again is not one whose answer took longer', async () => {
    rig = await ClientRig.start('plain', { check: 20, keepAlive: 1_000 })
    const next = rig.next()
    const socket = rig.connect(asked(''))
    const said = heard(socket)
    const arrived = await next
    await sleep(1_200)
    answer(arrived, 'done')
    await sleep(100)
    const again = rig.next()
    socket.write(asked(''))
    answer(await again, 'again')
    await eventually(() => said.text.endsWith('again'))
  })

  test('does not exist where the server has no limits', async () => {
    rig = await ClientRig.start('plain', { check: 5, headers: 0, request: 0, keepAlive: 0 })
    const said = heard(rig.connect())
    const next = rig.next()
    const asking = heard(rig.connect(asked('')))
    answer(await next, 'done')
    await sleep(100)
    expect([said.isOver, asking.isOver, rig.refused]).toEqual([false, false, []])
  })

  test('is not one whose connection is Node’s by now', async () => {
    rig = await ClientRig.start('plain', { ...quick, keepAlive: 10_000 })
    const next = rig.next()
    const said = heard(rig.connect(OTHER))
    const arrived = await next
    await sleep(150)
    rig.server.closeIdleConnections()
    await sleep(20)
    expect([said.isOver, rig.refused]).toEqual([false, []])
    answer(arrived, 'done')
    await eventually(() => said.text.endsWith('done'))
  })

  test('is not one whose answer takes its time', async () => {
    rig = await ClientRig.start('plain', quick)
    const next = rig.next()
    const said = heard(rig.connect(asked('')))
    const arrived = await next
    await sleep(150)
    expect([said.isOver, rig.refused]).toEqual([false, []])
    answer(arrived, 'done')
    await eventually(() => said.text.endsWith('done'))
  })
})

describe('a server that closes', () => {
  test('closes idle connections at once, and others behind their answers', async () => {
    rig = await ClientRig.start('plain')
    const before = rig.next()
    const idle = heard(rig.connect(asked('')))
    answer(await before)
    const next = rig.next()
    const busy = heard(rig.connect(asked('')))
    const arrived = await next
    rig.stop()
    const isClosed = new Promise((resolve) => rig.server.close(resolve))
    await eventually(() => idle.isOver)
    expect(busy.isOver).toBe(false)
    answer(arrived, 'done')
    await isClosed
    await eventually(() => busy.isOver)
    expect(busy.text).toMatch(/connection: close\r\n[^]*done$/)
  })

  test('closes connections that are Node’s by now, too', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const said = heard(rig.connect(OTHER))
    answer(await next, 'done')
    await eventually(() => said.text.endsWith('done'))
    rig.stop()
    await new Promise((resolve) => rig.server.close(resolve))
    await eventually(() => said.isOver)
  })

  test('cuts off whoever is in the middle when everybody has to go', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const busy = heard(rig.connect(asked('')))
    const { client } = await next
    const closed = vi.fn()
    client.onClose(closed)
    rig.server.closeAllConnections()
    await eventually(() => busy.isOver && closed.mock.calls.length === 1)
    expect(closed).toHaveBeenCalledWith(false)
    // Nothing that is told from now on does any harm.
    client.begin(200, [])
    expect(client.write(Buffer.from('a'))).toBe(true)
    client.end(null)
    client.destroy()
  })
})

test('answers tell the time at which they are given', async () => {
  rig = await ClientRig.start('plain', { headers: 10_000, request: 10_000, keepAlive: 10_000, check: 5 })
  const dates: string[] = []
  for (let count = 0; count < 2; count++) {
    const next = rig.next()
    const { answer: coming } = rig.ask()
    answer(await next)
    dates.push(String((await coming).headers.date))
    await sleep(1_100)
  }
  expect(dates[0]).not.toBe(dates[1])
})

test('nobody listens to a socket any more that is Node’s', async () => {
  rig = await ClientRig.start('plain')
  const next = rig.next()
  rig.connect(OTHER)
  const { socket } = await next
  const plain = await ClientRig.start('node')
  const other = plain.next()
  plain.connect(OTHER)
  const count = (one: typeof socket): readonly number[] =>
    ['data', 'end', 'error', 'timeout', 'close'].map((event) => one.listenerCount(event))
  expect(count(socket)).toEqual(count((await other).socket))
  await plain[Symbol.asyncDispose]()
})
