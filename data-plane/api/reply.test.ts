import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Problem } from '#contracts/errors.ts'
import { openaiErrorBody } from '#contracts/http/openai-error.ts'
import type { AnswerHead } from '#data-plane/upstream/downstream.ts'
import { eventually } from '#test/eventually.ts'
import { deployment, lane } from '#test/fakes/deployment.ts'
import { ClientRig, plainHead, WAYS } from '#test/listener/client-rig.ts'
import { Reply } from './reply.ts'
import type { Tongue } from './inquiry.ts'
import { GEMINI_ARRAY, TONGUE } from './tongues.ts'

let rig: ClientRig
/** Server's side of the connection. */
let socket: Socket

const HEAD: AnswerHead = {
  status: 200,
  contentType: 'text/event-stream',
  length: null,
  deployment: deployment('a'),
  lane: lane(),
  attempt: 1,
  passed: ['openai-version', '1'],
  warnings: [],
}
const MISTAKE: Problem = { code: 'invalid_value', message: 'no' }
const KEEP_ALIVE = ': keep-alive\n\n'
const ours = (): readonly string[] => ['x-apiproxy-provider', 'a']

/** A request that waits for its answer. */
async function asked(
  tongue: Tongue = TONGUE['openai-chat'],
): Promise<{ reply: Reply; answer: Promise<IncomingMessage>; leave: () => void }> {
  const arrived = rig.next()
  const asking = rig.ask()
  const { client, socket: itsSocket } = await arrived
  socket = itsSocket
  return { reply: new Reply(client, 'req_1', tongue), ...asking }
}

describe.each(WAYS)('by way of %s', (way) => {
  beforeEach(async () => {
    rig = await ClientRig.start(way)
    // Sockets work in real time; only what the reply itself counts is moved by hand.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  })
  afterEach(async () => {
    vi.useRealTimers()
    await rig[Symbol.asyncDispose]()
  })

  describe('an answer', () => {
    test('has its length, its request id, our headers and those of the upstream that may pass', async () => {
      const { reply, answer } = await asked()
      reply.expect(false, ours)
      reply.begin({ ...HEAD, contentType: 'application/json', length: 2 })
      reply.end(Buffer.from('{}'))
      const { statusCode, headers } = await answer
      expect([statusCode, await text(await answer)]).toEqual([200, '{}'])
      expect(headers).toMatchObject({
        'x-request-id': 'req_1',
        'content-length': '2',
        'content-type': 'application/json',
        'x-apiproxy-provider': 'a',
        'openai-version': '1',
      })
      expect(headers).not.toHaveProperty('cache-control')
      expect(reply.status).toBe(200)
    })

    test('as a stream tells proxies to keep out of it', async () => {
      const { reply, answer } = await asked()
      reply.expect(true, ours)
      reply.begin(HEAD)
      reply.write(Buffer.from('data: 1\n\n'))
      reply.end(null)
      expect((await answer).headers).toMatchObject({
        'cache-control': 'no-cache',
        'x-accel-buffering': 'no',
        'transfer-encoding': 'chunked',
      })
      expect(await text(await answer)).toBe('data: 1\n\n')
    })
  })

  describe('a stream that says nothing', () => {
    test('is kept alive by a comment every 15 s, and goes on as it would have begun', async () => {
      const { reply, answer } = await asked()
      const describeAnswer = vi.fn(ours)
      reply.expect(true, describeAnswer)
      vi.advanceTimersByTime(14_999)
      expect(reply.status).toBe(0)
      vi.advanceTimersByTime(1)
      expect(reply.status).toBe(200)
      vi.advanceTimersByTime(15_000)
      expect(describeAnswer).not.toHaveBeenCalled()
      reply.begin(HEAD)
      // What else hangs on it, like where a session is, happens though its headers come too late.
      expect(describeAnswer).toHaveBeenCalledOnce()
      vi.advanceTimersByTime(60_000)
      reply.end(Buffer.from('data: 1\n\n'))
      expect((await answer).headers).toMatchObject({
        'content-type': 'text/event-stream; charset=utf-8',
        'x-request-id': 'req_1',
        'cache-control': 'no-cache',
      })
      expect(await text(await answer)).toBe(`${KEEP_ALIVE}${KEEP_ALIVE}data: 1\n\n`)
    })

    test('tells an error as an event, without an end that looks like one of an answer', async () => {
      const { reply, answer } = await asked()
      reply.expect(true, ours)
      vi.advanceTimersByTime(15_000)
      reply.fail({ code: 'upstream_error' })
      expect(await text(await answer)).toBe(
        `${KEEP_ALIVE}data: ${openaiErrorBody({ code: 'upstream_error' })}\n\n`,
      )
    })

    test('stays JSON for a Gemini client that reads an array', async () => {
      const { reply, answer } = await asked(GEMINI_ARRAY)
      reply.expect(true, ours)
      vi.advanceTimersByTime(15_000)
      reply.fail({ code: 'upstream_error' })
      expect((await answer).headers['content-type']).toBe('application/json; charset=utf-8')
      expect(JSON.parse(await text(await answer))).toMatchObject([{ error: { code: 500 } }])
    })

    test('tells a refusal of the upstream as an event, in its words', async () => {
      const { reply, answer } = await asked()
      reply.expect(true, ours)
      vi.advanceTimersByTime(15_000)
      const body = Buffer.from('{\r\n  "error": {"message": "no"}\n}')
      reply.refuse({ status: 400, contentType: 'application/json', body }, MISTAKE, [])
      expect(await text(await answer)).toBe(`${KEEP_ALIVE}data: ${openaiErrorBody(MISTAKE)}\n\n`)
    })

    test.each<[string, (reply: Reply) => void]>([
      ['an answer', (reply) => reply.begin(HEAD)],
      ['an error', (reply) => reply.fail({ code: 'internal_error' })],
      [
        'a refusal',
        (reply) => reply.refuse({ status: 400, contentType: 'a/b', body: Buffer.from('') }, MISTAKE, []),
      ],
    ])('is not kept alive any more after %s', async (_what, end) => {
      const { reply } = await asked()
      reply.expect(true, ours)
      expect(vi.getTimerCount()).toBe(1)
      end(reply)
      expect(vi.getTimerCount()).toBe(0)
    })

    test('is not kept alive for a client that has left, before or after', async () => {
      for (const first of ['leaves', 'waits'] as const) {
        const { reply, leave } = await asked()
        if (first === 'waits') reply.expect(true, ours)
        leave()
        await new Promise((resolve) => socket.once('close', resolve))
        if (first === 'leaves') reply.expect(true, ours)
        expect([first, vi.getTimerCount()]).toEqual([first, 0])
      }
    })

    test('does not exist for JSON', async () => {
      const { reply } = await asked()
      reply.expect(false, ours)
      expect(vi.getTimerCount()).toBe(0)
    })
  })

  describe('an error of ours', () => {
    test('is a body with its status, and says when to come back', async () => {
      const { reply, answer } = await asked()
      reply.fail({ code: 'rate_limit_exceeded', retryAfterMs: 1_200.4 }, ['x-apiproxy-attempts', '2'])
      const { statusCode, headers } = await answer
      const body = await text(await answer)
      expect([statusCode, body]).toEqual([429, openaiErrorBody({ code: 'rate_limit_exceeded' })])
      expect(headers).toMatchObject({
        'content-type': 'application/json; charset=utf-8',
        'content-length': String(Buffer.byteLength(body)),
        'retry-after': '2',
        'retry-after-ms': '1201',
        'x-apiproxy-attempts': '2',
      })
      expect(headers).not.toHaveProperty('x-should-retry')
    })

    test('that trying again cannot mend says so', async () => {
      const { reply, answer } = await asked()
      reply.fail({ code: 'model_not_found', message: 'näher' })
      expect((await answer).headers).toMatchObject({
        'x-should-retry': 'false',
        'content-length': String(
          Buffer.byteLength(openaiErrorBody({ code: 'model_not_found', message: 'näher' })),
        ),
      })
    })

    test('after the end of an answer changes nothing', async () => {
      const { reply, answer } = await asked()
      reply.expect(true, ours)
      reply.begin(HEAD)
      reply.end(Buffer.from('data: 1\n\n'))
      reply.fail({ code: 'internal_error' })
      expect(await text(await answer)).toBe('data: 1\n\n')
    })

    test('in the middle of a JSON answer breaks the connection: nothing else could be heard', async () => {
      const { reply, answer } = await asked()
      reply.expect(false, ours)
      reply.begin({ ...HEAD, length: 100 })
      reply.write(Buffer.from('{"choices":['))
      await answer
      reply.fail({ code: 'internal_error' })
      await expect(text(await answer)).rejects.toThrow('aborted')
    })

    test('can still be told after a head that could not be written', async () => {
      const { reply, answer } = await asked()
      expect(() =>
        reply.refuse({ status: 400, contentType: 'a\nset-cookie: b', body: Buffer.from('') }, MISTAKE, []),
      ).toThrow(TypeError)
      expect(reply.status).toBe(0)
      reply.fail({ code: 'internal_error' })
      expect((await answer).statusCode).toBe(500)
      expect((await answer).headers).not.toHaveProperty('set-cookie')
    })
  })

  describe('a refusal of the upstream', () => {
    test('is passed on word for word, and not to be tried again', async () => {
      const { reply, answer } = await asked()
      reply.refuse(
        { status: 422, contentType: 'application/problem+json', body: Buffer.from('{"detail":[]}') },
        MISTAKE,
        ['x-apiproxy-provider', 'a'],
      )
      const { statusCode, headers } = await answer
      expect([statusCode, await text(await answer)]).toEqual([422, '{"detail":[]}'])
      expect(headers).toMatchObject({
        'content-type': 'application/problem+json',
        'x-should-retry': 'false',
        'x-apiproxy-provider': 'a',
        'x-request-id': 'req_1',
      })
    })
  })

  describe('a client', () => {
    test('that leaves is noticed once, by the newest listener', async () => {
      const { reply, leave } = await asked()
      const [older, newer] = [vi.fn(), vi.fn()]
      reply.onGone(older)
      reply.onGone(newer)
      leave()
      await eventually(() => newer.mock.calls.length > 0)
      expect([older.mock.calls.length, newer.mock.calls.length]).toEqual([0, 1])
      const late = vi.fn()
      reply.onGone(late)
      expect(late).toHaveBeenCalledOnce()
    })

    test('that has its whole answer has not left', async () => {
      const { reply, answer } = await asked()
      const gone = vi.fn()
      reply.onGone(gone)
      reply.begin({ ...HEAD, length: 2 })
      reply.end(Buffer.from('{}'))
      await text(await answer)
      socket.destroy()
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(gone).not.toHaveBeenCalled()
    })

    test('that closes its half of the connection is taken to have left', async () => {
      const arrived = rig.next()
      const half = connect({ port: rig.port, host: '127.0.0.1', allowHalfOpen: true })
      half.end(plainHead(0))
      const gone = vi.fn()
      new Reply((await arrived).client, 'req_1', TONGUE['openai-chat']).onGone(gone)
      await eventually(() => gone.mock.calls.length === 1)
      half.destroy()
    })

    test('that is told nothing of an error after it left causes no trouble', async () => {
      const { reply, leave } = await asked()
      reply.expect(true, ours)
      leave()
      await new Promise((resolve) => socket.once('close', resolve))
      reply.fail({ code: 'internal_error' })
      reply.refuse({ status: 400, contentType: 'a/b', body: Buffer.from('') }, MISTAKE, [])
      expect(reply.status).toBe(0)
    })

    test('that is cut off sees no end', async () => {
      const { reply, answer } = await asked()
      reply.begin(HEAD)
      reply.write(Buffer.from('{"choices"'))
      await answer
      reply.cut()
      await expect(text(await answer)).rejects.toThrow('aborted')
    })
  })

  describe('a client that does not read', () => {
    /** A client that asks and then reads nothing until told to. */
    async function deaf(): Promise<{ reply: Reply; client: Socket }> {
      const arrived = rig.next()
      const client = rig.connect()
      client.pause()
      client.write(plainHead(0))
      const { client: exchange, socket: itsSocket } = await arrived
      socket = itsSocket
      return { reply: new Reply(exchange, 'req_1', TONGUE['openai-chat']), client }
    }
    const MANY = Buffer.alloc(1024 * 1024, 'x')

    /** More than the kernel takes. @returns whether there is room for more. */
    function fill(reply: Reply): boolean {
      reply.begin(HEAD)
      for (let mib = 0; mib < 20; mib++) reply.write(MANY)
      return reply.write(MANY)
    }

    test('stops the flow until it reads again', async () => {
      const { reply, client } = await deaf()
      expect(fill(reply)).toBe(false)
      const drained = vi.fn()
      reply.onceDrained(drained)
      expect(socket.timeout).toBe(60_000)
      await new Promise((resolve) => setTimeout(resolve, 30))
      expect(drained).not.toHaveBeenCalled()
      client.resume()
      await eventually(() => drained.mock.calls.length === 1)
      expect(socket.timeout).toBe(0)
      client.destroy()
    })

    test('is cut off when it has read nothing for 60 s', async () => {
      const { reply, client } = await deaf()
      const [gone, drained] = [vi.fn(), vi.fn()]
      reply.onGone(gone)
      fill(reply)
      reply.onceDrained(drained)
      // As Node tells it when the time has come and nothing moved.
      socket.emit('timeout')
      await eventually(() => gone.mock.calls.length === 1)
      expect(drained).not.toHaveBeenCalled()
      client.destroy()
    })

    test('does not keep the rest of an ended answer in memory for ever', async () => {
      const { reply, client } = await deaf()
      reply.begin({ ...HEAD, length: MANY.length * 20 })
      reply.end(Buffer.alloc(MANY.length * 20))
      expect(socket.timeout).toBe(60_000)
      socket.emit('timeout')
      await eventually(() => socket.destroyed)
      client.destroy()
    })

    test('is not what a client is that got a short answer at once', async () => {
      const { reply, client } = await deaf()
      reply.begin({ ...HEAD, length: 2 })
      reply.end(Buffer.from('{}'))
      expect(socket.timeout ?? 0).not.toBe(60_000)
      client.destroy()
    })
  })
})
