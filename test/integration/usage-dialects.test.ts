/**
 * The same conversation uses the same, whole or as a stream, in whatever dialect it is asked for and answered.
 * What it costs then: `usage-costs.test.ts`.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DIALECTS, type DialectName } from '#data-plane/dialects/canonical/request.ts'
import type { UsageRecord } from '#contracts/usage/record.ts'
import { say } from '../conformance/loops/said.ts'
import { Upstream } from '../conformance/upstream.ts'
import { eventually } from '../eventually.ts'
import { asking } from './conversation.ts'
import { Gateway, KEY } from './gateway.ts'

let upstream: Upstream
let gateway: Gateway

beforeAll(async () => {
  upstream = await Upstream.start()
  gateway = await Gateway.start({ providers: upstream.providers, countStreams: true })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})
beforeEach(() => {
  gateway.forget()
  gateway.forgive()
})

async function ask(client: DialectName, model: string, stream: boolean): Promise<[string, UsageRecord]> {
  const { path, body } = asking(client, model, stream)
  const before = gateway.records.length
  const answer = await fetch(`http://127.0.0.1:${gateway.port}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const told = await answer.text()
  await eventually(() => gateway.records.length > before)
  const record = gateway.records.at(-1)
  if (record === undefined) throw new Error('no record')
  return [told, record]
}

const pairs = DIALECTS.flatMap((client) => DIALECTS.map((provider) => [client, provider] as const))

describe.each(pairs)('a client of %s at a provider of %s', (client, provider) => {
  const model = `${provider}/conversation`

  test('uses the same for an answer and for a stream of it, as the provider counted', async () => {
    upstream.script('conversation', ({ stream }) => say(provider, { text: 'Hello there' }, stream))
    const [, whole] = await ask(client, model, false)
    const [, streamed] = await ask(client, model, true)
    expect(whole.tokens).toMatchObject({ input: 100, output: 50 })
    expect(streamed.tokens).toEqual(whole.tokens)
    for (const record of [whole, streamed]) {
      expect([record.status, record.isEstimated, record.provider]).toEqual([200, false, provider])
      expect(record.attempts).toMatchObject([{ dialect: provider, outcome: 'success' }])
    }
  })

  test('pays for what was seen of a stream that broke off, and it is marked', async () => {
    const whole = say(provider, { text: 'four '.repeat(400) }, true)
    upstream.script('conversation', () => ({ ...whole, cutAt: Math.floor(whole.text.length * 0.7) }))
    const [, record] = await ask(client, model, true)
    expect(record).toMatchObject({ isEstimated: true, provider, attempts: [{ outcome: 'cut' }] })
    expect(record.tokens.input).toBeGreaterThan(0)
    expect(record.tokens.output).toBeGreaterThan(0)
    expect(record.tokens.output).toBeLessThan(2_000)
  })
})

describe('a chat stream whose client did not ask for its count', () => {
  test('is counted, and not told of it', async () => {
    upstream.script('conversation', ({ stream }) => say('openai-chat', { text: 'Hello there' }, stream))
    const [told, record] = await ask('openai-chat', 'openai-chat/conversation', true)
    expect(upstream.lastFor('conversation').body['stream_options']).toEqual({ include_usage: true })
    expect(record.isEstimated).toBe(false)
    expect(told).toContain('Hello there'.slice(5))
    expect(told).toMatch(/data: \[DONE\]\n\n$/)
    expect(told).not.toContain('prompt_tokens')
    const direct = say('openai-chat', { text: 'Hello there' }, true).text
    const count = direct.split('\n\n').find((event) => event.includes('"choices":[]')) ?? ''
    expect(told).toBe(direct.replace(`${count}\n\n`, ''))
  })
})
