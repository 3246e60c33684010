/**
 * Responses that a provider keeps: continued, read and deleted where they are, with the key they belong to.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Gateway, issued, KEY } from './gateway.ts'

type Seen = Readonly<{ method: string; path: string; key: string; body: string }>

let upstreams: readonly Server[]
let seen: Seen[]
let gateway: Gateway
let client: OpenAI
let count = 0

/** Keeps nothing, but tells who was asked for what. */
async function upstream(name: string): Promise<Server> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request)
    const { method = '', url: path = '', headers } = request
    seen.push({ method, path: `${name}${path}`, key: headers.authorization ?? '', body })
    response.setHeader('content-type', 'application/json')
    count += 1
    const deleted = { id: 'x', object: 'response', deleted: true }
    const made = { id: `resp_${count}`, object: 'response', status: 'completed', error: null, output: [] }
    response.end(JSON.stringify(method === 'DELETE' ? deleted : made))
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

beforeAll(async () => {
  seen = []
  upstreams = [await upstream('a'), await upstream('b')]
  const [a, b] = upstreams.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`)
  const definition = { dialects: ['openai-responses' as const] }
  gateway = await Gateway.start({
    providers: {
      a: { baseUrl: a ?? '', credentials: ['one', 'two', 'three'], definition },
      b: { baseUrl: b ?? '', credentials: ['four'], definition },
    },
    models: { m: ['a/gpt', 'b/gpt'] },
    keys: [issued('key_other', 'sk-other')],
  })
  client = new OpenAI({ apiKey: KEY, baseURL: gateway.baseUrl, maxRetries: 0 })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  for (const server of upstreams) server.close()
})
beforeEach(() => void (seen.length = 0))

describe('a response that its provider keeps', () => {
  test('is continued there with the key it was made with, every time', async () => {
    for (let time = 0; time < 20; time++) {
      const first = await client.responses.create({ model: 'm', input: 'one' })
      await client.responses.create({ model: 'm', input: 'two', previous_response_id: first.id })
      const [made, continued] = seen.splice(0)
      expect([continued?.path, continued?.key]).toEqual([made?.path, made?.key])
    }
  })

  test('is continued there also in a session that is elsewhere', async () => {
    for (let time = 0; time < 10; time++) {
      const headers = { 'x-session-id': `elsewhere-${time}` }
      await client.responses.create({ model: 'm', input: 'one' }, { headers })
      const first = await client.responses.create({ model: 'm', input: 'one' })
      const more = { model: 'm', input: 'two', previous_response_id: first.id }
      await client.responses.create(more, { headers })
      const [, made, continued] = seen.splice(0)
      expect([continued?.path, continued?.key]).toEqual([made?.path, made?.key])
    }
  })

  test('is read, listed, cancelled and deleted there', async () => {
    const { id } = await client.responses.create({ model: 'm', input: 'one' })
    const key = seen[0]?.key
    await client.responses.retrieve(id)
    await client.responses.inputItems.list(id, { limit: 5 })
    await client.responses.cancel(id)
    await client.responses.delete(id)
    expect(seen.slice(1).map((one) => [one.method, one.path, one.key])).toEqual([
      ['GET', `a/v1/responses/${id}`, key],
      ['GET', `a/v1/responses/${id}/input_items?limit=5`, key],
      ['POST', `a/v1/responses/${id}/cancel`, key],
      ['DELETE', `a/v1/responses/${id}`, key],
    ])
  })

  test('is nobody else’s, and nobody is asked', async () => {
    const { id } = await client.responses.create({ model: 'm', input: 'one' })
    seen.length = 0
    const other = new OpenAI({ apiKey: 'sk-other', baseURL: gateway.baseUrl, maxRetries: 0 })
    await expect(other.responses.retrieve(id)).rejects.toMatchObject({
      status: 404,
      code: 'response_not_found',
    })
    await expect(client.responses.retrieve('resp_unknown')).rejects.toMatchObject({ status: 404 })
    expect(seen).toEqual([])
  })

  test('cannot be continued by a model of another provider', async () => {
    const { id } = await client.responses.create({ model: 'm', input: 'one' })
    const asking = client.responses.create({ model: 'b/gpt', input: 'two', previous_response_id: id })
    const error = { status: 400, code: 'previous_response_not_found', param: 'previous_response_id' }
    await expect(asking).rejects.toMatchObject(error)
  })
})
