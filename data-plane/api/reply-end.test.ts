import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AnswerHead } from '#data-plane/upstream/downstream.ts'
import { deployment, lane } from '#test/fakes/deployment.ts'
import { ClientRig, WAYS } from '#test/listener/client-rig.ts'
import { Reply } from './reply.ts'
import { TONGUE } from './tongues.ts'

let rig: ClientRig

async function asked(): Promise<{ reply: Reply; answer: Promise<IncomingMessage>; errors: unknown[] }> {
  const arrived = rig.next()
  const { answer } = rig.ask()
  const { client, socket } = await arrived
  const errors: unknown[] = []
  socket.on('error', (error) => errors.push(error))
  return { reply: new Reply(client, 'req_1', TONGUE['openai-chat']), answer, errors }
}

const HEAD: AnswerHead = {
  status: 200,
  contentType: 'text/event-stream',
  length: null,
  deployment: deployment('a'),
  lane: lane(),
  attempt: 1,
  passed: [],
  warnings: [],
}

describe.each(WAYS)('by way of %s', (way) => {
  beforeEach(async () => {
    rig = await ClientRig.start(way)
  })
  afterEach(() => rig[Symbol.asyncDispose]())

  test('a stream that is ended twice has ended, and that is no error', async () => {
    const { reply, answer, errors } = await asked()
    reply.expect(true, () => [])
    reply.begin(HEAD)
    reply.end(Buffer.from('data: 1\n\n'))
    reply.end(null)
    expect(await text(await answer)).toBe('data: 1\n\n')
    expect(errors).toEqual([])
  })

  describe('an answer whose end is held', () => {
    test('as a whole comes with its release, and an error after it is not told', async () => {
      const { reply, answer } = await asked()
      let come = false
      void answer.then(() => (come = true))
      reply.hold()
      reply.begin({ ...HEAD, contentType: 'application/json', length: 2 })
      reply.end(Buffer.from('{}'))
      reply.fail({ code: 'invalid_value' })
      expect([reply.status, reply.bytes]).toEqual([200, 2])
      for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
      expect(come).toBe(false)
      reply.release()
      expect(await text(await answer)).toBe('{}')
    })

    test('as a stream comes but for its end', async () => {
      const { reply, answer } = await asked()
      reply.expect(true, () => [])
      reply.hold()
      reply.begin(HEAD)
      reply.write(Buffer.from('data: 1\n\n'))
      reply.end(Buffer.from('data: 2\n\n'))
      const stream = (await answer)[Symbol.asyncIterator]()
      expect(String((await stream.next()).value)).toBe('data: 1\n\n')
      reply.release()
      expect(String((await stream.next()).value)).toBe('data: 2\n\n')
      expect((await stream.next()).done).toBe(true)
    })

    test('that never came is told as an error by its release', async () => {
      const { reply, answer } = await asked()
      reply.hold()
      reply.fail({ code: 'invalid_value' })
      reply.release()
      expect((await answer).statusCode).toBe(400)
    })
  })
})
