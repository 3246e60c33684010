import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '#test/eventually.ts'
import { ANSWER, AttemptRig, DONE, JSON_TYPE, prepared, ROLE, WORD } from '#test/fakes/attempt-rig.ts'
import { deployment } from '#test/fakes/deployment.ts'
import { answered, EVENT_STREAM, headOf, LAST_PIECE, piece } from '#test/fakes/raw-upstream.ts'
import { RecordedClient } from '#test/fakes/recorded-client.ts'

let rig: AttemptRig

beforeEach(() => {
  rig = new AttemptRig()
})
afterEach(() => rig[Symbol.asyncDispose]())

describe('a JSON answer', () => {
  test('reaches the client whole, with its length and the headers that may pass', async () => {
    const headers = {
      ...JSON_TYPE,
      'openai-processing-ms': '7',
      'set-cookie': 'a=b',
      'x-ratelimit-limit-requests': '1',
      'x-request-id': 'theirs',
    }
    const target = await rig.saying(answered(200, headers, ANSWER))
    const result = await rig.start(target)
    expect(result).toMatchObject({ failure: null, committed: true, refused: null, unanswered: false })
    expect(result.firstMs).toBeLessThanOrEqual(result.totalMs)
    expect(rig.client.calls).toEqual(['begin', 'end'])
    expect(rig.client.head).toMatchObject({
      status: 200,
      contentType: 'application/json',
      length: ANSWER.length,
      attempt: 1,
    })
    expect(rig.client.head?.passed).toEqual(['openai-processing-ms', '7'])
    expect(rig.client.body.toString()).toBe(ANSWER)
    expect(target.requests[0]?.head).toContain('authorization: Bearer sk-1')
    expect(rig.firsts).toEqual([])
  })

  test('is told to nobody before it is complete', async () => {
    const target = await rig.upstream((socket) => {
      socket.write(headOf(200, { ...JSON_TYPE, 'content-length': String(ANSWER.length) }))
      socket.write(ANSWER.slice(0, 20))
      setTimeout(() => {
        expect(rig.client.calls).toEqual([])
        socket.write(ANSWER.slice(20))
      }, 30)
    })
    expect((await rig.start(target)).failure).toBeNull()
    expect(rig.client.body.toString()).toBe(ANSWER)
  })

  test('may come after early hints', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'
    expect(
      await rig.start(
        await rig.saying(hints, 'HTTP/1.1 102 Processing\r\n\r\n', answered(200, JSON_TYPE, ANSWER)),
      ),
    ).toMatchObject({ failure: null })
  })

  test.each(['Application/JSON', 'application/json; charset=utf-8', 'application/vnd.openai+json'])(
    'may call itself %s',
    async (type) => {
      expect(
        await rig.start(await rig.saying(answered(200, { 'content-type': type }, ANSWER))),
      ).toMatchObject({
        failure: null,
      })
      expect(rig.client.head?.contentType).toBe(type)
    },
  )

  test('may hold an error of null', async () => {
    expect(
      await rig.start(await rig.saying(answered(200, JSON_TYPE, ANSWER.replace('{', '{"error":null,')))),
    ).toMatchObject({ failure: null })
  })

  test.each([
    ['is cut off', answered(200, { ...JSON_TYPE, 'content-length': '1000' }, ANSWER), 'fault'],
    ['is half of one', answered(200, JSON_TYPE, ANSWER.slice(0, -5)), 'fault'],
    ['is empty', answered(200, JSON_TYPE), 'fault'],
    ['is no answer', answered(200, JSON_TYPE, '{"id":"x"}'), 'fault'],
    ['has no list of choices', answered(200, JSON_TYPE, '{"choices":null}'), 'fault'],
    ['is an error', answered(200, JSON_TYPE, '{"error":{"message":"boom"}}'), 'fault'],
    ['is an error about money', answered(200, JSON_TYPE, '{"choices":[],"error":"out of tokens"}'), 'fault'],
    ['is a list', answered(200, JSON_TYPE, `[${ANSWER}]`), 'fault'],
    ['is HTML', answered(200, { 'content-type': 'text/html' }, '<html>'), 'fault'],
    ['has no type', answered(200, {}, ANSWER.replace('choices', 'other')), 'fault'],
    ['is compressed', answered(200, { ...JSON_TYPE, 'content-encoding': 'gzip' }, gzipSync(ANSWER)), 'fault'],
    ['has no content', answered(204, {}), 'fault'],
    ['is a redirect', answered(307, { location: 'http://127.0.0.1:1/' }), 'fault'],
    ['is a stream', answered(200, { 'content-type': 'text/event-stream' }, ROLE + WORD + DONE), 'invalid'],
    ['is no HTTP', Buffer.from('SSH-2.0-OpenSSH\r\n'), 'fault'],
    ['comes with headers without end', Buffer.from(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}`), 'fault'],
  ])('that %s lets another candidate try', async (_what, bytes, outcome) => {
    const target = await rig.upstream((socket) => void socket.end(bytes))
    expect(await rig.start(target)).toMatchObject({
      failure: { outcome, scope: 'provider' },
      committed: false,
      refused: null,
      firstMs: null,
    })
    expect(rig.client.calls).toEqual([])
  })

  test('of more than 16 MiB is passed on as it comes, and broken off without an end when it is cut', async () => {
    const filler = 'x'.repeat(1024 * 1024)
    for (const whole of [true, false]) {
      rig.client = new RecordedClient()
      const target = await rig.upstream((socket) => {
        socket.write(headOf(200, { ...JSON_TYPE, 'transfer-encoding': 'chunked' }))
        socket.write(piece('{"choices":["'))
        for (let mib = 0; mib < 17; mib++) socket.write(piece(filler))
        if (whole) socket.write(Buffer.concat([piece('"]}'), LAST_PIECE]))
        else void eventually(() => rig.client.calls.includes('begin')).then(() => socket.destroy())
      })
      const { failure, committed } = await rig.start(target, { limitMs: 5_000 })
      expect([committed, failure?.outcome]).toEqual([true, whole ? undefined : 'cut'])
      expect(rig.client.head?.length).toBeNull()
      expect(rig.client.calls.at(-1)).toBe(whole ? 'end' : 'cut')
      if (whole) expect(rig.client.body.length).toBe(17 * 1024 * 1024 + '{"choices":[""]}'.length)
    }
  })
})

describe('a stream', () => {
  test('is held until its first word, and then passed on as it is', async () => {
    const target = await rig.upstream((socket) => {
      socket.write(Buffer.concat([headOf(200, EVENT_STREAM), piece(': comment\n\n'), piece(ROLE)]))
      setTimeout(() => {
        expect(rig.client.calls).toEqual([])
        socket.write(Buffer.concat([piece(WORD.slice(0, 9)), piece(WORD.slice(9) + DONE), LAST_PIECE]))
      }, 30)
    })
    const result = await rig.startStream(target)
    expect(result).toMatchObject({ failure: null, committed: true, firstMs: null })
    expect(rig.client.calls[0]).toBe('begin')
    expect(rig.client.head).toMatchObject({ length: null, contentType: 'text/event-stream' })
    expect(rig.client.body.toString()).toBe(`: comment\n\n${ROLE}${WORD}${DONE}`)
    expect(rig.firsts).toHaveLength(1)
    expect(rig.firsts[0]).toBeGreaterThan(25)
  })

  test.each([
    ['without [DONE]', ROLE + WORD + DONE.replace('data: [DONE]\n\n', '')],
    ['without a blank line at its end', (ROLE + WORD + DONE).trimEnd()],
    ['with CRLF', (ROLE + WORD + DONE).replaceAll('\n', '\r\n')],
    ['with a type in capitals', ROLE + WORD + DONE],
  ])('%s is whole, byte for byte', async (how, text) => {
    const type = how.includes('capitals')
      ? { 'content-type': 'Text/Event-Stream; Charset=UTF-8' }
      : { 'content-type': 'text/event-stream' }
    expect(await rig.startStream(await rig.saying(answered(200, type, text)))).toMatchObject({
      failure: null,
    })
    expect(rig.client.body.toString()).toBe(text)
  })

  test.each([
    ['says nothing', '', 'fault'],
    ['is only comments', ': a\n\n: b\n\n', 'fault'],
    ['is only [DONE]', 'data: [DONE]\n\n', 'fault'],
    ['is only a role', ROLE, 'fault'],
    ['begins with an error', 'data: {"error":{"message":"boom"}}\n\n', 'fault'],
    ['begins with a role and an error', `${ROLE}data: {"error":{"message":"boom"}}\n\n`, 'fault'],
  ])('that %s lets another candidate try', async (_what, text, outcome) => {
    expect(
      await rig.startStream(await rig.saying(answered(200, { 'content-type': 'text/event-stream' }, text))),
    ).toMatchObject({
      failure: { outcome, scope: 'provider' },
      committed: false,
    })
    expect(rig.client.calls).toEqual([])
    expect(rig.firsts).toEqual([])
  })

  test('that was asked for and came as a whole counts against nobody', async () => {
    expect(await rig.startStream(await rig.saying(answered(200, JSON_TYPE, ANSWER)))).toMatchObject({
      failure: { outcome: 'invalid', scope: 'provider' },
    })
    expect(
      await rig.startStream(
        await rig.saying(answered(200, JSON_TYPE, '{"error":{"message":"no streams here"}}')),
      ),
    ).toMatchObject({
      failure: { outcome: 'fault', message: 'no streams here' },
    })
  })

  test('that begins with an error hangs up on whoever would go on after it', async () => {
    const target = await rig.upstream(
      (socket) =>
        void socket.write(Buffer.concat([headOf(200, EVENT_STREAM), piece('data: {"error":"boom"}\n\n')])),
    )
    // Its silence alone would not end it.
    const timeouts = { connectMs: 500, answerMs: 300, firstTokenMs: 300, idleMs: 3_600_000 }
    const patient = deployment('a', { origin: target.origin, timeouts })
    expect((await rig.startStream(target, { deployment: patient })).failure?.message).toBe('boom')
    await eventually(() => target.open === 0)
  })

  test.each([
    ['closed', (text: string) => Buffer.concat([piece(text), LAST_PIECE])],
    ['reset', (text: string) => piece(text)],
  ] as const)('%s after a word ends with an error that stands for itself', async (how, write) => {
    for (const half of ['', 'data: {"choices":[{"delta"', `${WORD}data: `, 'data: x\n']) {
      rig.client = new RecordedClient()
      const target = await rig.upstream((socket) => {
        socket.write(Buffer.concat([headOf(200, EVENT_STREAM), write(ROLE + WORD + half)]))
        if (how === 'reset') setTimeout(() => socket.resetAndDestroy(), 20)
      })
      expect(await rig.startStream(target)).toMatchObject({ failure: { outcome: 'cut' }, committed: true })
      const events = rig.client.body.toString().split('\n\n')
      expect(events.pop()).toBe('')
      const told: unknown[] = events.map((event) => JSON.parse(event.replace(/^data: /, '')))
      expect(told.at(-1)).toMatchObject({ error: { code: 'stream_broken', type: 'upstream_error' } })
      expect(told.length).toBe(half.startsWith(WORD) ? 4 : 3)
      expect(rig.client.body.toString()).not.toContain('[DONE]')
      expect(rig.client.calls.at(-1)).toBe('end')
    }
  })

  test('whose provider told the error itself gets no second one', async () => {
    const text = `${ROLE}${WORD}data: {"error":{"message":"overloaded"}}\n\n`
    expect(
      await rig.startStream(await rig.saying(answered(200, { 'content-type': 'text/event-stream' }, text))),
    ).toMatchObject({ failure: { outcome: 'cut' }, committed: true })
    expect(rig.client.body.toString()).toBe(text)
  })

  test('waits for a slow client, and then loses nothing', async () => {
    const words = Array.from({ length: 300 }, (_word, at) =>
      WORD.replace('Hi', `${at} ${'x'.repeat(10_000)}`),
    )
    const text = ROLE + words.join('') + DONE
    const target = await rig.upstream((socket) => {
      socket.write(headOf(200, EVENT_STREAM))
      for (const event of [ROLE, ...words, DONE]) socket.write(piece(event))
      socket.write(LAST_PIECE)
    })
    rig.client.reads = false
    const result = rig.startStream(target)
    await eventually(() => rig.client.isFull)
    const held = rig.client.body.length
    await new Promise((resolve) => setTimeout(resolve, 50))
    // What was read from the socket already still comes; the rest stays where it is.
    expect(rig.client.body.length).toBeLessThan(held + 200_000)
    while (rig.client.calls.at(-1) !== 'end') {
      rig.client.drain()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await result).failure).toBeNull()
    expect(rig.client.body.toString()).toBe(text)
  })
})

describe('a request in pieces', () => {
  const pieces = [Buffer.from('{"model":"m",'), Buffer.alloc(200_000, ' '), Buffer.from('"messages":[]}')]
  const inPieces = { ...prepared(), body: pieces }

  test('arrives as one, with the length of all of them', async () => {
    const target = await rig.saying(answered(200, JSON_TYPE, ANSWER))
    expect(await rig.start(target, { prepared: inPieces })).toMatchObject({ failure: null })
    const whole = Buffer.concat(pieces)
    expect(target.requests[0]?.head).toContain(`content-length: ${whole.length}`)
    expect(target.requests[0]?.body === whole.toString()).toBe(true)
  })

  test('can be sent again, as another attempt sends it', async () => {
    const target = await rig.saying(answered(200, JSON_TYPE, ANSWER))
    for (let count = 0; count < 2; count++) await rig.start(target, { prepared: inPieces })
    expect(target.requests[1]?.body === Buffer.concat(pieces).toString()).toBe(true)
  })
})
