import { createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Connector } from '#contracts/security/guarded-connector.ts'
import { turns } from '#test/eventually.ts'
import { answerTo, ask, OriginRig, CONNECT } from '#test/fakes/origin-rig.ts'
import { answered, EVENT_STREAM, headOf, LAST_PIECE, piece } from '#test/fakes/raw-upstream.ts'
import { ENDED } from './ended.ts'

let rig: OriginRig
beforeEach(() => {
  rig = new OriginRig()
})
afterEach(() => rig[Symbol.asyncDispose]())

const OK = answered(200, {}, 'yes')
const say = (...parts: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(part)))

describe('a request', () => {
  test('is answered with status, headers and body, told in order', async () => {
    const up = await rig.upstream((socket) => socket.write(answered(201, { 'x-it': 'is' }, 'yes')))
    const receiver = await answerTo(rig.origin(up))
    expect(receiver).toMatchObject({ status: 201, text: 'yes', code: null })
    expect(receiver.headers.get('x-it')).toBe('is')
    expect(receiver.told).toEqual(['start', 'head', 'data', 'end'])
  })

  test.each<[string, Buffer[]]>([
    ['small', [Buffer.from('{"a":"\u00e9\0"}')]],
    ['small and in pieces', ['{"a":"', '\u00e9\0', '"}'].map((text) => Buffer.from(text))],
    ['large', [Buffer.alloc(300_000, 'x\u00e9')]],
    ['large and in pieces', [Buffer.alloc(100_000, 'a'), Buffer.alloc(200_000, '\u00e9')]],
  ])('that is %s arrives as it is', async (_what, pieces) => {
    const up = await rig.upstream((socket) => socket.write(OK))
    const [only] = pieces
    const body = pieces.length === 1 && only !== undefined ? only : pieces
    await answerTo(rig.origin(up), { body, path: '/a?b=c', headers: ['x-one', '1'] })
    const [request] = up.requests
    expect(request?.head).toMatch(/^POST \/a\?b=c HTTP\/1\.1\r\n/)
    expect(Buffer.from(request?.body ?? '', 'latin1')).toEqual(Buffer.concat(pieces))
  })

  test('that cannot be spelled fails, and no byte of it goes anywhere', async () => {
    const up = await rig.upstream((socket) => socket.write(OK))
    const receiver = await answerTo(rig.origin(up), { headers: ['a', 'b\r\nc: d'] })
    expect(receiver).toMatchObject({ code: ENDED.unsendable, told: ['error'] })
    expect(up.connections).toBe(0)
  })

  test('is told nothing before `dispatch` has returned', async () => {
    const up = await rig.upstream((socket) => socket.write(OK))
    const { receiver } = ask(rig.origin(up))
    expect(receiver.told).toEqual([])
    await receiver.over
  })

  test('to nobody fails with the code of the system', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const receiver = await answerTo(rig.origin({ origin: `http://127.0.0.1:${port}` }))
    expect(receiver).toMatchObject({ code: 'ECONNREFUSED', told: ['error'] })
  })

  test('names an IPv6 host in brackets and connects to it without', async () => {
    const targets: unknown[] = []
    const connect: Connector = (target, callback) => {
      targets.push(target.hostname, target.host)
      callback(new Error('not today'), null)
    }
    await answerTo(rig.origin({ origin: 'http://[2001:db8::1]:8080' }, connect))
    expect(targets).toEqual(['2001:db8::1', '[2001:db8::1]:8080'])
  })
})

describe('an answer', () => {
  const CHUNKED = say(headOf(200, EVENT_STREAM), piece('yes'), piece(', no'), LAST_PIECE)
  test.each<[string, Buffer, string]>([
    ['of a length', answered(200, {}, 'yes, no'), 'yes, no'],
    ['of no bytes', answered(200, {}), ''],
    ['in chunks', CHUNKED, 'yes, no'],
    ['behind early hints', say('HTTP/1.1 103 Early\r\nlink: x\r\n\r\n', OK), 'yes'],
    ['behind two of them', say('HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Early\r\n\r\n', OK), 'yes'],
    ['that may not have a body', headOf(204, {}), ''],
  ])('%s is the same byte by byte, and leaves a connection for the next', async (_what, bytes, text) => {
    let pieces = 1
    const up = await rig.upstream((socket) => void dribble(socket, bytes, pieces))
    const origin = rig.origin(up)
    expect(await answerTo(origin)).toMatchObject({ text, code: null })
    pieces = bytes.length
    expect(await answerTo(origin)).toMatchObject({ text, code: null })
    pieces = 1
    expect(await answerTo(origin)).toMatchObject({ text, code: null })
    expect(up).toMatchObject({ connections: 1 })
  })

  test('without a length ends with its connection', async () => {
    const up = await rig.upstream((socket) => socket.end(say(headOf(200, {}), 'yes, no')))
    const origin = rig.origin(up)
    expect(await answerTo(origin)).toMatchObject({ text: 'yes, no', code: null })
    expect(await answerTo(origin)).toMatchObject({ text: 'yes, no', code: null })
    expect(up.connections).toBe(2)
  })

  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['a part of its head', OK.subarray(0, 20)],
    ['a part of its body', OK.subarray(0, OK.length - 1)],
    ['a chunk and no end', say(headOf(200, EVENT_STREAM), piece('yes'))],
    ['hints alone', Buffer.from('HTTP/1.1 103 Early\r\n\r\n')],
  ])('that is cut off after %s has failed', async (_what, bytes) => {
    const up = await rig.upstream((socket) => socket.end(bytes))
    expect(await answerTo(rig.origin(up))).toMatchObject({ code: ENDED.closed })
  })

  test('of a connection that the system gives up has failed, and it is told why', async () => {
    const up = await rig.upstream((socket) => socket.write(OK.subarray(0, OK.length - 1)))
    let socket: Socket | null = null
    const origin = rig.origin(up, (target, callback) =>
      CONNECT(target, (...args) => {
        socket = args[1]
        callback(...args)
      }),
    )
    const { receiver } = ask(origin, {}, (told) => {
      if (told === 'data') socket?.destroy(Object.assign(new Error('no way there'), { code: 'EHOSTUNREACH' }))
    })
    expect(await receiver.over).toMatchObject({ code: 'EHOSTUNREACH' })
  })

  test('of a connection that is reset has failed', async () => {
    const up = await rig.upstream((socket) => {
      socket.write(OK.subarray(0, OK.length - 1), () => socket.resetAndDestroy())
    })
    expect((await answerTo(rig.origin(up))).code).toMatch(/^(ECONNRESET|UPSTREAM_CLOSED)$/)
  })

  test.each<[string, string | Buffer]>([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['a head that has no end', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(3_000)}`],
    ['no HTTP, and goes on', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a page', '<html>'],
    ['lines that end their own way', 'HTTP/1.1 200 OK\ncontent-length: 2\n\nno'],
    ['a head that is too long', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(17_000)}\r\ncontent-length: 0\r\n\r\n`],
    ['another protocol', 'HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    ['a chunk that is none', say(headOf(200, EVENT_STREAM), piece('yes'), 'no\r\n')],
  ])('that is %s has failed, and its connection is closed', async (_what, bytes) => {
    const up = await rig.upstream((socket) => socket.write(bytes))
    expect(await answerTo(rig.origin(up))).toMatchObject({ code: ENDED.malformed })
    await vi.waitFor(() => expect(up.open).toBe(0))
  })

  test('that goes silent has failed', async () => {
    const up = await rig.upstream((socket) => socket.write(say(headOf(200, EVENT_STREAM), piece('yes'))))
    const receiver = await answerTo(rig.origin(up), { idleMs: 50 })
    expect(receiver).toMatchObject({ text: 'yes', code: ENDED.silent })
  })

  test('that has come while this process was held up is not silent', async () => {
    const up = await rig.upstream((socket) => {
      socket.write(say(headOf(200, EVENT_STREAM), piece('yes')))
      // Behind an immediate timers come first, and what is there to be read after them.
      const late = (): void => {
        socket.write(piece('no'))
        holdUp(100)
        // The end comes after that piece was read.
        setTimeout(() => setTimeout(() => socket.write(LAST_PIECE), 20), 0)
      }
      setTimeout(() => setImmediate(late), 10)
    })
    expect(await answerTo(rig.origin(up), { idleMs: 50 })).toMatchObject({ text: 'yesno', code: null })
  })

  test.each(['dispatch', 'start', 'head', 'data'] as const)(
    'that somebody does not read since %s is not silent',
    async (at) => {
      const up = await rig.upstream((socket) => socket.write(say(headOf(200, EVENT_STREAM), piece('yes'))))
      const { call, receiver } = ask(rig.origin(up), { idleMs: 50 }, (told) => {
        if (told === at) call.pause()
      })
      if (at === 'dispatch') call.pause()
      await vi.waitFor(() => expect(receiver.told).toContain(at === 'dispatch' ? 'start' : at))
      await new Promise((resolve) => setTimeout(resolve, 150))
      if (at === 'dispatch' || at === 'start') expect(receiver.told).toEqual(['start'])
      expect(receiver.code).toBeNull()
      call.resume()
      expect(await receiver.over).toMatchObject({ text: 'yes', code: ENDED.silent })
    },
  )

  test('that has not begun is not silent: how long that may take is for others to say', async () => {
    const up = await rig.upstream((socket) => void setTimeout(() => socket.write(OK), 150))
    const { call, receiver } = ask(rig.origin(up), { idleMs: 50 }, (told) => {
      if (told !== 'start') return
      call.pause()
      setImmediate(() => call.resume())
    })
    expect(await receiver.over).toMatchObject({ text: 'yes', code: null })
  })

  test('that cannot be made sense of has failed, and nobody else is harmed', async () => {
    for (const at of ['start', 'head', 'data', 'end'] as const) {
      const up = await rig.upstream((socket) =>
        socket.write(say(headOf(200, EVENT_STREAM), piece('y'), piece('es'), LAST_PIECE)),
      )
      const origin = rig.origin(up)
      const { receiver } = ask(origin, {}, (told) => {
        if (told === at) throw new Error('what is this?')
      })
      const other = ask(origin).receiver
      expect(await other.over).toMatchObject({ text: 'yes', code: null })
      await vi.waitFor(() => expect(receiver).toMatchObject({ code: ENDED.unreadable }))
      expect(receiver.told.filter((told) => told === 'error')).toHaveLength(1)
      expect(receiver.told.at(-1)).toBe('error')
      expect(rig.faults.splice(0)).toEqual([new Error('what is this?')])
    }
  })

  test('comes no faster than it is read', async () => {
    const much = Buffer.alloc(8 * 1024 * 1024)
    let written = 0
    const up = await rig.upstream((socket) => {
      socket.write(headOf(200, { 'content-length': String(much.length) }))
      for (let at = 0; at < much.length; at += 65_536)
        socket.write(much.subarray(at, at + 65_536), () => (written += 65_536))
    })
    const { call, receiver } = ask(rig.origin(up), {}, (told) => {
      if (told === 'head') call.pause()
    })
    await vi.waitFor(() => expect(receiver.status).toBe(200))
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(written).toBeLessThan(much.length)
    call.resume()
    expect((await receiver.over).text).toHaveLength(much.length)
  })
})

describe('a request that is given up', () => {
  test.each(['start', 'head', 'data'] as const)(
    'when it was told %s is told nothing more, and its connection is closed',
    async (at) => {
      const up = await rig.upstream((socket) =>
        socket.write(say(headOf(200, EVENT_STREAM), piece('yes'), piece('no'))),
      )
      const { call, receiver } = ask(rig.origin(up), {}, (told) => {
        if (told === at) call.abort()
      })
      await vi.waitFor(() => expect(receiver.told).toContain(at))
      await vi.waitFor(() => expect(up).toMatchObject({ connections: 1, open: 0 }))
      expect(receiver.told.at(-1)).toBe(at)
      expect(call.isOver).toBe(true)
    },
  )

  test.each([0, 1])('before it is sent is not sent, with %i idle connections', async (idle) => {
    const up = await rig.upstream((socket) => socket.write(OK))
    const origin = rig.origin(up)
    for (let count = 0; count < idle; count++) await answerTo(origin)
    const { call, receiver } = ask(origin)
    call.abort()
    await answerTo(origin)
    expect(receiver.told).toEqual([])
    expect(up.requests).toHaveLength(idle + 1)
  })

  test('while its connection is opened leaves that to the next', async () => {
    const up = await rig.upstream((socket) => socket.write(OK))
    let open = (): void => undefined
    const origin = rig.origin(up, (target, callback) => {
      open = () => CONNECT(target, callback)
    })
    const { call, receiver } = ask(origin)
    await new Promise((resolve) => setImmediate(resolve))
    call.abort()
    open()
    await vi.waitFor(() => expect(up.open).toBe(1))
    await answerTo(origin)
    expect(receiver.told).toEqual([])
    expect(up).toMatchObject({ connections: 1, requests: { length: 1 } })
  })
})

describe('a connection', () => {
  test.each([true, false])(
    'serves the next as if nothing had been; the last request was paused: %s',
    async (isPaused) => {
      let wait = 0
      const up = await rig.upstream((socket) => {
        setTimeout(() => socket.write(OK.subarray(0, OK.length - 1)), wait)
        setTimeout(() => socket.write(OK.subarray(-1)), wait + 10)
      })
      const origin = rig.origin(up)
      // As its last piece comes, with its silence limited until then.
      const first = ask(origin, { idleMs: 50 }, (told, { text }) => {
        if (isPaused && told === 'data' && text === 'yes') first.call.pause()
      })
      expect(await first.receiver.over).toMatchObject({ text: 'yes' })
      await turns(3)
      wait = 150
      const second = ask(origin, { idleMs: 50 })
      await vi.waitFor(() => expect(second.receiver.told).toEqual(['start']))
      first.call.pause()
      first.call.abort()
      expect(await second.receiver.over).toMatchObject({ text: 'yes', code: null })
      await turns(3)
      wait = 0
      const third = ask(origin, {}, (told) => {
        if (told === 'start') third.call.pause()
      })
      await vi.waitFor(() => expect(third.receiver.told).toEqual(['start']))
      first.call.resume()
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(third.receiver.told).toEqual(['start'])
      third.call.resume()
      expect(await third.receiver.over).toMatchObject({ text: 'yes', code: null })
      expect(up.connections).toBe(1)
    },
  )

  test.each<[string, Buffer]>([
    ['is to be closed', answered(200, { connection: 'close' }, 'yes')],
    ['had something behind it', say(OK, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno')],
    ['had a byte behind it', say(headOf(200, EVENT_STREAM), piece('yes'), LAST_PIECE, '\n')],
    ['is of HTTP/1.0', Buffer.from('HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nyes')],
    ['is not kept for long', answered(200, { 'keep-alive': 'timeout=2' }, 'yes')],
  ])('whose answer %s is not used again', async (_what, bytes) => {
    const up = await rig.upstream((socket) => socket.write(bytes))
    const origin = rig.origin(up)
    expect(await answerTo(origin)).toMatchObject({ text: 'yes', code: null })
    expect(await answerTo(origin)).toMatchObject({ text: 'yes', code: null })
    expect(up.connections).toBe(2)
  })

  test('that says what nobody asked for is closed, and nobody is told', async () => {
    let socket: Socket | undefined
    const up = await rig.upstream((one) => {
      socket = one
      one.write(OK)
    })
    const origin = rig.origin(up)
    await answerTo(origin)
    socket?.write(answered(200, {}, 'no'))
    await vi.waitFor(() => expect(up.open).toBe(0))
    expect(await answerTo(origin)).toMatchObject({ text: 'yes' })
  })

  test('that was answered before it had taken all is not used again', async () => {
    let connections = 0
    const early = createServer((socket) => {
      connections += 1
      socket.on('error', () => undefined)
      socket.pause()
      socket.write(OK)
    })
    await new Promise<void>((resolve) => early.listen(0, '127.0.0.1', resolve))
    rig.defer(() => void early.close())
    const { port } = early.address() as AddressInfo
    const origin = rig.origin({ origin: `http://127.0.0.1:${port}` })
    const body = Buffer.alloc(32 * 1024 * 1024)
    expect(await answerTo(origin, { body })).toMatchObject({ text: 'yes', code: null })
    expect(await answerTo(origin)).toMatchObject({ text: 'yes', code: null })
    expect(connections).toBe(2)
  })
})

/** As a long turn of the event loop does. In milliseconds. */
function holdUp(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** Writes so many pieces of about the same length, one after the other. */
async function dribble(socket: Socket, bytes: Buffer, pieces: number): Promise<void> {
  const length = Math.ceil(bytes.length / pieces)
  for (let at = 0; at < bytes.length; at += length) {
    socket.write(bytes.subarray(at, at + length))
    if (pieces > 1) await new Promise((resolve) => setImmediate(resolve))
  }
}
