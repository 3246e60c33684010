import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { eventually } from '#test/eventually.ts'
import {
  answer,
  asked,
  ClientRig,
  heard,
  OTHER,
  PATH,
  PLAIN_HEAD,
  plainHead,
} from '#test/listener/client-rig.ts'

let rig: ClientRig
afterEach(() => rig[Symbol.asyncDispose]())

describe('a request', () => {
  test('that is plain comes with its address, its headers and its body', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    rig.connect(`${PLAIN_HEAD}Content-Length: 3\r\nX-It: 1\r\n\r\nabc`)
    const { client } = await next
    expect([rig.ways, client.method, client.url, client.headers.get('x-it')]).toEqual([
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
    expect(rig.ways).toEqual(['node'])
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
    expect(rig.ways.filter((way) => way === 'plain').length).toBeGreaterThanOrEqual(5)
    expect(rig.ways).toContain('node')
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
    expect(rig.ways).toEqual(['plain', 'plain'])
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
    expect(rig.ways).toEqual(['plain', 'plain', 'plain'])
  })

  test('are Node’s from the first on that is not plain, in their order', async () => {
    rig = await ClientRig.start('plain')
    const said = heard(rig.connect(asked('1') + OTHER + asked('2')))
    for (let count = 1; count <= 3; count++) {
      await eventually(() => rig.arrived.length >= count)
      answer(rig.arrived[count - 1]!, `answer ${count}`)
    }
    await eventually(() => said.text.endsWith('answer 3'))
    expect(rig.ways).toEqual(['plain', 'node', 'node'])
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

  test('wait no longer than the one before them takes, and floods are heard again', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const socket = rig.connect(asked('1'))
    const said = heard(socket)
    const first = await next
    const large = 'x'.repeat(300_000)
    socket.write(asked(large) + asked('3'))
    await eventually(() => first.socket.isPaused())
    const second = rig.next()
    answer(first)
    expect(String(await (await second).client.readBody(300_000))).toBe(large)
    const third = rig.next()
    answer(await second)
    expect(String(await (await third).client.readBody(1))).toBe('3')
    answer(await third, 'answer 3')
    await eventually(() => said.text.endsWith('answer 3'))
    const fourth = rig.next()
    socket.write(asked('4'))
    answer(await fourth, 'answer 4')
    await eventually(() => said.text.endsWith('answer 4'))
    expect(rig.ways).toEqual(['plain', 'plain', 'plain', 'plain'])
  })

  test('are heard again behind a flood of small ones', async () => {
    let isFirst = true
    rig = await ClientRig.start('plain', {
      onPlain: (client) => {
        if (!isFirst) answer({ client })
        isFirst = false
      },
    })
    const next = rig.next()
    const socket = rig.connect(asked(''))
    const said = heard(socket)
    const first = await next
    socket.write(asked('').repeat(2_000))
    await eventually(() => first.socket.isPaused())
    answer(first)
    await eventually(() => said.text.split('HTTP/1.1 200').length === 2_002)
    socket.write(asked(''))
    await eventually(() => said.text.split('HTTP/1.1 200').length === 2_003)
  })

  test('do not overtake those that came before, whatever comes when', async () => {
    rig = await ClientRig.start('plain', { onPlain: (client) => answer({ client }) })
    const socket = rig.connect()
    const said = heard(socket)
    // The second part comes while the rest of the first waits for its turn.
    socket.write(asked('1') + asked('2'))
    for (let count = 3; count <= 40; count++) {
      socket.write(asked(String(count)))
      if (count % 3 === 0) await new Promise(setImmediate)
    }
    await eventually(() => said.text.split('HTTP/1.1 200').length === 41)
    const bodies: string[] = []
    for (const { client } of rig.arrived) bodies.push(String(await client.readBody(2)))
    expect(bodies).toEqual(Array.from({ length: 40 }, (_, at) => String(at + 1)))
  })

  test('are heard behind one that was answered before its body had come', async () => {
    rig = await ClientRig.start('plain', { onPlain: (client) => answer({ client }, 'no') })
    const socket = rig.connect(plainHead(100_000))
    const said = heard(socket)
    await eventually(() => said.text.endsWith('no'))
    socket.write('x'.repeat(100_000))
    socket.write(asked(''))
    await eventually(() => rig.arrived.length === 2)
    expect(rig.ways).toEqual(['plain', 'plain'])
  })
})

describe('an answer that is over', () => {
  test('does nothing to the next one, whatever is still told of it', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const socket = rig.connect(asked(''))
    const said = heard(socket)
    const first = await next
    const closed = vi.fn()
    first.client.onClose(closed)
    answer(first, 'first')
    const second = rig.next()
    socket.write(asked(''))
    await second
    expect(first.client.write(Buffer.from('late'))).toBe(true)
    first.client.end(Buffer.from('late'))
    first.client.destroy()
    answer(await second, 'second')
    await eventually(() => said.text.endsWith('second'))
    expect(said.text).not.toContain('late')
    expect(closed.mock.calls).toEqual([[true]])
  })

  test('has no limit for the next one, though it was taken slowly', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const socket = rig.connect(asked(''))
    socket.pause()
    const { client, socket: ours } = await next
    client.begin(200, [])
    client.end(Buffer.alloc(20_000_000))
    expect(ours.timeout).toBe(60_000)
    socket.resume()
    await eventually(() => ours.timeout === 0)
  })

  test('frees its connection though whoever is told of that fails', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const socket = rig.connect(asked(''))
    const { client } = await next
    client.onClose(() => {
      throw new Error('told')
    })
    client.begin(200, ['content-length', '0'])
    expect(() => client.end(null)).toThrow('told')
    const second = rig.next()
    socket.write(asked(''))
    await second
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

  test('with a large first piece waits until that was taken, and its head is in Latin-1', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const socket = rig.connect(asked(''))
    socket.pause()
    const { client } = await next
    client.begin(200, ['x', '\xe9'])
    expect(client.write(Buffer.alloc(20_000_000))).toBe(false)
    const drained = vi.fn()
    client.onceDrained(drained)
    const said = heard(socket)
    socket.resume()
    await eventually(() => drained.mock.calls.length === 1)
    client.end(null)
    await eventually(() => said.text.endsWith('0\r\n\r\n'))
    expect(said.text).toContain('x: \xe9\r\n')
  })

  test('that may have no body has none', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    const said = heard(rig.connect(asked('')))
    const { client } = await next
    client.begin(204, [])
    expect(client.write(Buffer.from('body'))).toBe(true)
    client.end(Buffer.from('body'))
    await eventually(() => said.text.endsWith('\r\n\r\n'))
    await sleep(5)
    expect(said.text).not.toMatch(/body|transfer-encoding|content-length/)
  })

  test('told when the connection has just gone has not come whole', async () => {
    rig = await ClientRig.start('plain')
    const next = rig.next()
    rig.connect(asked(''))
    const { client, socket } = await next
    const closed = vi.fn()
    client.onClose(closed)
    socket.destroy()
    client.begin(200, [])
    client.end(Buffer.from('late'))
    await eventually(() => closed.mock.calls.length > 0)
    expect(closed.mock.calls).toEqual([[false]])
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
