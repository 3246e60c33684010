/**
 * Responses clients that refer to earlier answers, over upstreams that keep nothing.
 */
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '#test/eventually.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { Gateway, issued, KEY } from './gateway.ts'

let provider: FakeProvider
let gateway: Gateway
let client: OpenAI

beforeAll(async () => {
  provider = await FakeProvider.start()
  gateway = await Gateway.start({
    providers: { a: { baseUrl: provider.baseUrl } },
    models: { m: ['a/upstream-model'] },
    keys: [issued('key_other', 'sk-other')],
  })
  client = new OpenAI({ apiKey: KEY, baseURL: gateway.baseUrl, maxRetries: 0 })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

/** `role: text` of each message that the chat upstream was sent last. */
function sent(): readonly string[] {
  const { messages } = JSON.parse(provider.last.body.toString()) as {
    messages: { role: string; content: string | { text: string }[] }[]
  }
  const textOf = (content: string | { text: string }[]): string =>
    typeof content === 'string' ? content : content.map(({ text }) => text).join('')
  return messages.map(({ role, content }) => `${role}: ${textOf(content)}`)
}

/** `output_text` is the SDK's own, and only there where the answer was not streamed. */
const saidIn = ({ output }: OpenAI.Responses.Response): string =>
  output
    .flatMap((item) => (item.type === 'message' ? item.content : []))
    .map((part) => ('text' in part ? part.text : ''))
    .join('')

/** By this code OpenAI's clients know that they have to send everything again. */
const NOT_FOUND = { status: 400, code: 'previous_response_not_found', param: 'previous_response_id' }

async function streamed(
  body: OpenAI.Responses.ResponseCreateParamsStreaming,
): Promise<OpenAI.Responses.Response> {
  for await (const event of await client.responses.create(body))
    if (event.type === 'response.completed') return event.response
  throw new Error('the stream had no end')
}

describe.each([
  ['whole', (body: object) => client.responses.create({ model: 'm', ...body })],
  ['streamed', (body: object) => streamed({ model: 'm', ...body, stream: true })],
] as const)('an answer told %s', (_how, ask) => {
  test('is continued by its id alone', async () => {
    const first = await ask({ input: 'one' })
    const second = await ask({ input: 'two', previous_response_id: first.id })
    expect(sent()).toEqual(['user: one', `assistant: ${saidIn(first)}`, 'user: two'])
    await ask({ input: 'three', previous_response_id: second.id })
    expect(sent()).toHaveLength(5)
    expect(sent().at(-1)).toBe('user: three')
  })

  test('is put back where only its items are named', async () => {
    const first = await ask({ input: 'one' })
    const reference = { type: 'item_reference', id: first.output[0]?.id }
    await ask({ input: [{ role: 'user', content: 'one' }, reference, { role: 'user', content: 'two' }] })
    expect(sent()).toEqual(['user: one', `assistant: ${saidIn(first)}`, 'user: two'])
  })

  test('is not kept when the client does not want it kept', async () => {
    const first = await ask({ input: 'one', store: false })
    await expect(ask({ input: 'two', previous_response_id: first.id })).rejects.toMatchObject(NOT_FOUND)
  })

  test('is no other client’s to continue', async () => {
    const first = await ask({ input: 'one' })
    const other = new OpenAI({ apiKey: 'sk-other', baseURL: gateway.baseUrl, maxRetries: 0 })
    const asking = other.responses.create({ model: 'm', input: 'two', previous_response_id: first.id })
    await expect(asking).rejects.toMatchObject(NOT_FOUND)
    await eventually(async () => (await ask({ input: 'two', previous_response_id: first.id })).id !== '')
  })
})
