import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { eventually } from '#test/eventually.ts'
import { ClientRig, PATH, PLAIN_HEAD, plainHead, type Arrived } from '#test/listener/client-rig.ts'

let rig: ClientRig
afterEach(() => rig[Symbol.asyncDispose]())

const ways = (): readonly string[] => rig.arrived.map(({ way }) => way)
const heard = (socket: ReturnType<ClientRig['connect']>): { text: string; isOver: boolean } => {
  const all = { text: '', isOver: false }
  socket.on('data', (bytes: Buffer) => (all.text += bytes.toString('latin1')))
  socket.on('close', () => (all.isOver = true))
  return all
}
const answer = ({ client }: Arrived, body = '{}'): void => {
  client.begin(200, ['content-length', String(body.length)])
  client.end(Buffer.from(body))
}
const asked = (body: string): string => plainHead(body.length) + body
const OTHER = 'GET /other HTTP/1.1\r\nhost: a\r\n\r\n'

describe('a request', () => {
  test('that is plain comes with its address, its headers and its body', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    rig.connect(`${PLAIN_HEAD}Content-Length: 3\r\nX-It: 1\r\n\r\nabc`)
    const { client } = await next
    expect([ways(), client.method, client.url, client.headers.get('x-it')]).toEqual([
      ['plain'],
      'POST',
      PATH,
      '1',
    ])
    expect(String(await client.readBody(3))).toBe('abc')
  })

  test.each([
    ['is none of the addresses', asked('').replace(PATH, '/v1/other')],
    ['wants more than an answer', `${PLAIN_HEAD}expect: 100-continue\r\ncontent-length: 0\r\n\r\n`],
    ['is no POST', OTHER],
  ])('that %s is Node’s', async (_what, request) => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    rig.connect(request)
    await next
    expect(ways()).toEqual(['node'])
  })

  test('is the same in whatever pieces it comes', async () => {
    rig = await ClientRig.start('plain')
    const bytes = asked('abcdef')
    for (let cut = 1; cut < bytes.length; cut++) {
      const next = rig.next()
      const socket = rig.connect(bytes.slice(0, cut))
      await sleep(1)
      socket.write(bytes.slice(cut))
      const { client } = await next
      expect([cut, String(await client.readBody(6))]).toEqual([cut, 'abcdef'])
      socket.destroy()
    }
    // Whose head is whole at once is ours.
    expect(ways().filter((way) => way === 'plain').length).toBeGreaterThanOrEqual(5)
    expect(ways()).toContain('node')
  })

  test('whose body is asked for late has not lost any of it', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const body = 'x'.repeat(200_000)
    rig.connect(asked(body))
    const { client } = await next
    await sleep(20)
    expect(String(await client.readBody(300_000))).toBe(body)
  })

  test('is answered though nobody wanted its body, and the next one is read behind it', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const socket = rig.connect(plainHead(500_000))
    const said = heard(socket)
    const first = await next
    expect(first.client.readBody(1_000)).toBeNull()
    answer(first, 'no')
    const after = rig.next()
    socket.write('x'.repeat(500_000))
    socket.write(asked('abc'))
    expect(String(await (await after).client.readBody(3))).toBe('abc')
    answer(await after, 'yes')
    await eventually(() => said.text.endsWith('yes'))
    expect(ways()).toEqual(['plain', 'plain'])
  })
})

describe('requests on one connection', () => {
  test('are told one after the other, however early they come', async () => {
    rig = await ClientRig.start('plain')
    const first = rig.next()
    const said = heard(rig.connect(asked('1') + asked('2'), asked('3')))
    for (const body of ['1', '2', '3']) {
      const count = Number(body)
      await eventually(() => rig.arrived.length === count)
      await sleep(5)
      expect(rig.arrived.length).toBe(count)
      const arrived = rig.arrived[count - 1]!
      expect(String(await arrived.client.readBody(1))).toBe(body)
      answer(arrived, `answer ${body}`)
    }
    await first
    await eventually(() => said.text.endsWith('answer 3'))
    expect(said.text.split('HTTP/1.1 200 OK').length).toBe(4)
    expect(ways()).toEqual(['plain', 'plain', 'plain'])
  })

  test('are Node’s from the first on that is not plain, in their order', async () => {
    rig = await ClientRig.start('plain')
    const said = heard(rig.connect(asked('1') + OTHER + asked('2')))
    for (let count = 1; count <= 3; count++) {
      await eventually(() => rig.arrived.length >= count)
      answer(rig.arrived[count - 1]!, `answer ${count}`)
    }
    await eventually(() => said.text.endsWith('answer 3'))
    expect(ways()).toEqual(['plain', 'node', 'node'])
    expect(rig.arrived.map(({ client }) => client.url)).toEqual([PATH, '/other', PATH])
  })

  test('that come in floods while one is answered wait at the client', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const socket = rig.connect(asked('1'))
    const { socket: ours, client } = await next
    socket.write('x'.repeat(8_000_000))
    await eventually(() => ours.isPaused())
    expect(ours.bytesRead).toBeLessThan(1_000_000)
    expect(client.isEnded).toBe(false)
  })
})

describe('an answer', () => {
  test('says when it was given and that its connection is kept', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const { answer: coming } = rig.ask('{}')
    answer(await next)
    const { headers } = await coming
    expect(headers).toMatchObject({
      connection: 'keep-alive',
      'keep-alive': 'timeout=65',
      'content-length': '2',
    })
    expect(Math.abs(Date.parse(String(headers.date)) - Date.now())).toBeLessThan(60_000)
  })

  test('of any size comes whole, in pieces and at once, and is known to have', async () => {
    rig = await ClientRig.start('plain')
    for (const size of [0, 1, 4_000, 5_000, 5_000_000]) {
      const next = rig.next()
      const { answer: coming } = rig.ask()
      const { client } = await next
      const closed = vi.fn()
      client.onClose(closed)
      client.begin(200, [])
      client.write(Buffer.alloc(size, 'a'))
      client.end(Buffer.alloc(size, 'b'))
      client.end(Buffer.from('c'))
      expect(await text(await coming)).toBe('a'.repeat(size) + 'b'.repeat(size))
      await eventually(() => closed.mock.calls.length > 0)
      expect([size, closed.mock.calls]).toEqual([size, [[true]]])
    }
  })

  test('that is not read whole is not known to be', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const socket = rig.connect(asked(''))
    socket.pause()
    const { client } = await next
    const closed = vi.fn()
    client.onClose(closed)
    client.begin(200, [])
    client.end(Buffer.alloc(20_000_000))
    await sleep(20)
    expect([client.isEnded, closed.mock.calls.length]).toEqual([true, 0])
    socket.destroy()
    await eventually(() => closed.mock.calls.length === 1)
    expect(closed).toHaveBeenCalledWith(false)
  })

  test('without a body says of no length', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const said = heard(rig.connect(asked('')))
    const { client } = await next
    client.begin(304, ['etag', '"a"'])
    client.end(null)
    await eventually(() => said.text.endsWith('\r\n\r\n'))
    expect(said.text).not.toMatch(/transfer-encoding|content-length/)
  })
})

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

  test('has left, and what it still had to ask is not begun', async () => {
    rig = await ClientRig.start('plain')
    const socket = rig.connect()
    const said = heard(socket)
    socket.end(asked('1') + asked('2') + OTHER)
    await eventually(() => rig.arrived.length > 0)
    answer(rig.arrived[0]!)
    await eventually(() => said.isOver)
    await sleep(20)
    expect([ways(), rig.refused]).toEqual([['plain'], []])
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
    const idle = heard(rig.connect())
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
