import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#contracts/process/clock.ts'
import { eventually } from '#test/eventually.ts'
import { ANSWER, AttemptRig, JSON_TYPE, ROLE, WORD, prepared } from '#test/fakes/attempt-rig.ts'
import { deployment, lane } from '#test/fakes/deployment.ts'
import { answered, EVENT_STREAM, headOf, piece, RawUpstream } from '#test/fakes/raw-upstream.ts'

let rig: AttemptRig

beforeEach(() => {
  rig = new AttemptRig()
})
afterEach(() => rig[Symbol.asyncDispose]())

describe('a refusal', () => {
  const words = '{"error":{"message":"messages must not be empty","code":"invalid"}}'

  test('of the caller’s own making is handed back as it is', async () => {
    const result = await rig.start(
      await rig.saying(answered(400, { 'content-type': 'application/json; v=1' }, words)),
    )
    expect(result).toMatchObject({
      failure: { outcome: 'invalid', scope: 'request', status: 400 },
      committed: false,
    })
    expect(result.refused).toEqual({
      status: 400,
      contentType: 'application/json; v=1',
      body: Buffer.from(words),
    })
    expect(rig.client.calls).toEqual([])
  })

  test.each([
    ['is HTML', { 'content-type': 'text/html' }, '<html>'],
    ['is compressed', { ...JSON_TYPE, 'content-encoding': 'gzip' }, gzipSync(words)],
    ['is no object', JSON_TYPE, '[1]'],
    ['is empty', JSON_TYPE, ''],
    ['is cut short', JSON_TYPE, words.slice(0, -3)],
    ['is too long', JSON_TYPE, `{"error":{"message":"${'x'.repeat(1_000_000)}"}}`],
  ])('that %s is not handed back', async (_what, headers, body) => {
    expect(await rig.start(await rig.saying(answered(400, headers, body)))).toMatchObject({
      failure: { outcome: 'invalid', status: 400 },
      refused: null,
    })
  })

  test('leaves the connection as good as it was', async () => {
    const target = await rig.upstream(
      (socket, { body }) =>
        void socket.write(
          body.includes('bad') ? answered(400, JSON_TYPE, words) : answered(200, JSON_TYPE, ANSWER),
        ),
    )
    expect((await rig.start(target, { prepared: prepared('{"bad":1}') })).refused?.status).toBe(400)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect((await rig.start(target)).failure).toBeNull()
    expect(target.connections).toBe(1)
  })

  test('is judged by its status when its body never ends', async () => {
    const target = await rig.upstream(
      (socket) =>
        void socket.write(
          Buffer.concat([headOf(503, { ...JSON_TYPE, 'content-length': '100' }), Buffer.from('{"error"')]),
        ),
    )
    expect(await rig.startStream(target)).toMatchObject({ failure: { outcome: 'overloaded', status: 503 } })
    await eventually(() => target.open === 0)
  })

  test('is judged by its status when its body never stops', async () => {
    const target = await rig.upstream((socket) => {
      socket.write(headOf(500, { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' }))
      const timer = setInterval(() => socket.write(piece('x'.repeat(10_000))), 1)
      socket.on('close', () => clearInterval(timer))
    })
    expect(await rig.start(target)).toMatchObject({
      failure: { outcome: 'fault', status: 500, message: null },
    })
    await eventually(() => target.open === 0)
  })

  test('is judged by its status when the connection breaks in its body', async () => {
    const target = await rig.upstream(
      (socket) =>
        void socket.end(
          Buffer.concat([
            headOf(429, { ...JSON_TYPE, 'content-length': '100', 'retry-after': '3' }),
            Buffer.from('{'),
          ]),
        ),
    )
    expect(await rig.start(target)).toMatchObject({
      failure: { outcome: 'throttled', scope: 'key', retryAfterMs: 3_000 },
    })
  })
})

describe('time', () => {
  const silent = (): Promise<RawUpstream> => rig.upstream(() => undefined)

  test.each([false, true])(
    'runs out before the first sign of an answer, and the upstream is let go (stream: %s)',
    async (stream) => {
      const target = await silent()
      const result = await rig.start(target, { stream })
      expect(result).toMatchObject({ failure: { outcome: 'timeout', scope: 'provider' }, committed: false })
      expect(result.totalMs).toBeGreaterThan(290)
      expect(result.totalMs).toBeLessThan(10_000)
      await eventually(() => target.open === 0)
    },
  )

  test('of the whole request counts when it is shorter', async () => {
    const { origin } = await silent()
    const timeouts = { connectMs: 60_000, answerMs: 60_000, firstTokenMs: 60_000, idleMs: 60_000 }
    const target = deployment('a', { origin, timeouts })
    const result = await rig.start({ origin }, { remainingMs: 50, deployment: target })
    expect(result.failure?.outcome).toBe('timeout')
    expect(result.totalMs).toBeLessThan(30_000)
  })

  test('runs out on a stream that keeps saying nothing', async () => {
    const target = await rig.upstream((socket) => {
      socket.write(headOf(200, EVENT_STREAM))
      const timer = setInterval(() => socket.write(piece(': wait\n\n')), 20)
      socket.on('close', () => clearInterval(timer))
    })
    expect(await rig.startStream(target)).toMatchObject({ failure: { outcome: 'timeout' }, committed: false })
    await eventually(() => target.open === 0)
  })

  test('of the whole request runs out on a JSON answer that comes drop by drop', async () => {
    const target = await rig.upstream((socket) => {
      socket.write(headOf(200, { ...JSON_TYPE, 'content-length': '100000' }))
      const timer = setInterval(() => socket.write(' '), 20)
      socket.on('close', () => clearInterval(timer))
    })
    const result = await rig.start(target, { remainingMs: 500 })
    expect(result).toMatchObject({ failure: { outcome: 'timeout' }, committed: false })
    expect(result.totalMs).toBeGreaterThan(450)
    await eventually(() => target.open === 0)
  })

  test('to the status line does not count for a JSON answer that has begun', async () => {
    const target = await rig.upstream((socket) => {
      socket.write(headOf(200, { ...JSON_TYPE, 'content-length': String(ANSWER.length) }))
      setTimeout(() => socket.write(ANSWER), 450)
    })
    expect((await rig.start(target)).failure).toBeNull()
  })
})

describe('a client that leaves', () => {
  test('before anything was sent causes no request', async () => {
    const target = await rig.upstream(() => undefined)
    rig.client.leave()
    expect(await rig.start(target)).toMatchObject({
      failure: { outcome: 'cancelled', scope: 'request' },
      committed: false,
    })
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(target.connections).toBe(0)
  })

  test.each<[string, boolean, Buffer | string]>([
    ['before the status line', false, ''],
    [
      'in the middle of a JSON answer',
      false,
      Buffer.concat([headOf(200, { ...JSON_TYPE, 'content-length': '1000' }), Buffer.from('{"choices"')]),
    ],
    ['before the first word', true, Buffer.concat([headOf(200, EVENT_STREAM), piece(ROLE)])],
    [
      'in the middle of a refusal',
      true,
      Buffer.concat([headOf(500, { ...JSON_TYPE, 'content-length': '1000' }), Buffer.from('{')]),
    ],
    ['after words', true, Buffer.concat([headOf(200, EVENT_STREAM), piece(ROLE + WORD)])],
  ])('%s hangs up on the upstream', async (when, stream, bytes) => {
    const target = await rig.upstream((socket) => void socket.write(bytes))
    const result = rig.start(target, { stream })
    await eventually(() =>
      when === 'after words' ? rig.client.calls.includes('write') : target.requests.length === 1,
    )
    await new Promise((resolve) => setTimeout(resolve, 20))
    rig.client.leave()
    expect(await result).toMatchObject({
      failure: { outcome: 'cancelled' },
      committed: when === 'after words',
    })
    await eventually(() => target.open === 0)
    expect(rig.client.calls).not.toContain('end')
  })
})

describe('a connection', () => {
  test('that is refused is a fault', async () => {
    const target = await RawUpstream.start(() => undefined)
    await target[Symbol.asyncDispose]()
    expect(await rig.start(target)).toMatchObject({
      failure: { outcome: 'fault', status: 0 },
      unanswered: false,
    })
  })

  test('that breaks at once, before a byte of answer, may have been stale', async () => {
    for (const how of ['destroy', 'resetAndDestroy'] as const) {
      expect(await rig.start(await rig.upstream((socket) => void socket[how]()))).toMatchObject({
        failure: { outcome: 'fault' },
        unanswered: true,
      })
    }
  })

  test('that breaks after a while was not stale: the upstream had begun to work', async () => {
    const target = await rig.upstream((socket) => void setTimeout(() => socket.destroy(), 30))
    let calls = 0
    // The first look is at the start.
    const clock = { now: systemClock.now, monotonic: () => (calls++ === 0 ? 0 : 1_001) }
    expect(await rig.start(target, { clock })).toMatchObject({
      failure: { outcome: 'fault' },
      unanswered: false,
    })
  })

  test('that breaks in the middle of an answer was not stale', async () => {
    const target = await rig.upstream(
      (socket) => void socket.end(headOf(200, { ...JSON_TYPE, 'content-length': '10' })),
    )
    expect(await rig.start(target)).toMatchObject({ failure: { outcome: 'fault' }, unanswered: false })
  })

  test('is not made with a credential that cannot stand in a header', async () => {
    const target = await rig.saying(answered(200, JSON_TYPE, ANSWER))
    expect(
      await rig.start(target, { lane: { ...lane('x'), headers: ['authorization', 'Bearer sk-1\n'] } }),
    ).toMatchObject({ failure: { outcome: 'fault' }, committed: false })
    expect(target.requests).toEqual([])
  })

  test('is not made to a private address unless the provider may have one', async () => {
    const target = await rig.saying(answered(200, JSON_TYPE, ANSWER))
    expect(
      await rig.start(target, {
        deployment: deployment('a', { origin: target.origin, allowPrivate: false }),
      }),
    ).toMatchObject({ failure: { outcome: 'fault' } })
    expect(target.connections).toBe(0)
  })
})
