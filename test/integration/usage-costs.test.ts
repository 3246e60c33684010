/**
 * The same conversation costs the same, whole or as a stream, in whatever dialect it is asked for and answered;
 * and one that its client left costs what it was given. As the books tell it, at prices set by an admin.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DIALECTS, type DialectName } from '#data-plane/dialects/canonical/request.ts'
import { say } from '../conformance/loops/said.ts'
import { Upstream } from '../conformance/upstream.ts'
import { eventually } from '../eventually.ts'
import { asking, CLIENTS, type Client } from './conversation.ts'
import { CLIENT_KEY, Embedded } from './embedded.ts'

/** Loads everything and makes a database: seconds, and many of them on a machine that is busy. */
const SLOW = 120_000
const HOUR_MS = 3_600_000
/** As every provider counts it (`said.ts`). */
const TOKENS = { input: 100, output: 50 }
/** Of each provider; none divides another. */
const PRICES: Readonly<Record<DialectName, Readonly<{ input: number; output: number }>>> = {
  'openai-chat': { input: 3, output: 7 },
  'openai-responses': { input: 11, output: 13 },
  anthropic: { input: 17, output: 19 },
  gemini: { input: 23, output: 29 },
}
const dollars = (provider: DialectName, tokens: Readonly<{ input: number; output: number }>): number =>
  (tokens.input * PRICES[provider].input + tokens.output * PRICES[provider].output) / 1e6

let upstream: Upstream
let embedded: Embedded

beforeAll(async () => {
  upstream = await Upstream.start()
  embedded = await Embedded.start(upstream.providers, { APIPROXY_STREAM_USAGE: 'ask' })
  for (const id of DIALECTS) {
    const { provider } = await embedded.admin.providers.get.query({ id })
    const now = Date.now()
    const prices = [
      { model: '*', from: 0, input: 1_000, output: 1_000 },
      { model: '*', from: now - HOUR_MS, ...PRICES[id] },
      { model: '*', from: now + HOUR_MS, input: 1_000, output: 1_000 },
    ]
    await embedded.admin.providers.update.mutate({
      id,
      definition: { prices },
      expectedVersion: provider.version,
    })
  }
  await embedded.served()
}, SLOW)
afterAll(async () => {
  await embedded[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

type Logged = Awaited<ReturnType<Embedded['admin']['requests']['get']['query']>>

const pairs = CLIENTS.flatMap((client) => DIALECTS.map((provider) => [client, provider] as const))
/** A model of its own for each request: what is said to it, and what it is found by in the books. */
const nameOf = (what: string, client: Client, provider: DialectName): string =>
  `${what}-${client}-${provider}`

function ask(
  client: Client,
  model: string,
  stream: boolean,
  signal: AbortSignal | null = null,
): Promise<Response> {
  const { path, body } = asking(client, model, stream)
  return fetch(`${embedded.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${CLIENT_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  })
}

/** The only request for this model, once it is in the books. */
async function bookedFor(model: string): Promise<Logged> {
  for (const giveUpAt = performance.now() + SLOW; performance.now() < giveUpAt;) {
    const { requests } = await embedded.admin.requests.list.query({ limit: 50 })
    const found = requests.find(({ asked }) => asked === model)
    if (found !== undefined) return embedded.admin.requests.get.query({ id: found.id })
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${model} is not in the books`)
}

// Each waits for its request to come into the books; they wait together.
describe.concurrent.each(pairs)(
  'a client of %s at a provider of %s',
  { timeout: SLOW },
  (client, provider) => {
    test('pays the same for an answer and for a stream of it, at the price in force', async () => {
      const booked: Logged[] = []
      for (const stream of [false, true]) {
        const upstreamModel = nameOf(stream ? 'streamed' : 'whole', client, provider)
        upstream.script(upstreamModel, (sent) => say(provider, { text: 'Hello there' }, sent.stream))
        const answer = await ask(client, `${provider}/${upstreamModel}`, stream)
        await answer.text()
        expect(answer.status).toBe(200)
        booked.push(await bookedFor(`${provider}/${upstreamModel}`))
      }
      const [whole, streamed] = booked
      expect(whole).toMatchObject({ status: 200, stream: false, isEstimated: false, tokens: TOKENS })
      expect(streamed?.tokens).toEqual(whole?.tokens)
      expect(streamed).toMatchObject({ status: 200, stream: true, isEstimated: false })
      expect([whole?.cost, streamed?.cost]).toEqual([dollars(provider, TOKENS), dollars(provider, TOKENS)])
    })

    test('that left a stream pays what it was given, estimated', async () => {
      const upstreamModel = nameOf('left', client, provider)
      const text = 'four '.repeat(400)
      const whole = say(provider, { text }, true)
      const hangAt = Math.floor(whole.text.length / 3)
      upstream.script(upstreamModel, () => ({ ...whole, hangAt }))
      const leaving = new AbortController()
      const answer = await ask(client, `${provider}/${upstreamModel}`, true, leaving.signal)
      const reader = answer.body?.getReader()
      let told = ''
      while (told.split('four').length < 20)
        told += Buffer.from((await reader?.read())?.value ?? []).toString()
      leaving.abort()
      const record = await bookedFor(`${provider}/${upstreamModel}`)
      expect(record).toMatchObject({ status: 200, isEstimated: true, provider })
      expect(record.attempts).toMatchObject([{ provider, outcome: 'cancelled' }])
      // What goes in is told at once by some, and weighed by the size of the request where it was not.
      const isTold = provider === 'anthropic' || provider === 'gemini'
      expect(record.tokens.input > 0 && (!isTold || record.tokens.input === TOKENS.input)).toBe(true)
      expect(record.tokens.output).toBeGreaterThanOrEqual(20)
      expect(record.tokens.output).toBeLessThan(300)
      const { input, output } = record.tokens
      expect(record.cost).toBeCloseTo(dollars(provider, { input, output }), 9)
    })

    test.each([true, false])(
      'that left before anything was said pays nothing (stream: %s)',
      async (stream) => {
        const upstreamModel = nameOf(stream ? 'silent' : 'unheard', client, provider)
        upstream.script(upstreamModel, (sent) => ({
          ...say(provider, { text: 'x' }, sent.stream),
          hangAt: 0,
        }))
        const leaving = new AbortController()
        const answer = ask(client, `${provider}/${upstreamModel}`, stream, leaving.signal)
        await eventually(() => upstream.sent.some(({ model }) => model === upstreamModel))
        leaving.abort()
        await expect(answer).rejects.toThrow()
        const record = await bookedFor(`${provider}/${upstreamModel}`)
        expect(record).toMatchObject({ status: 499, isEstimated: false, provider: '', cost: null })
        expect(record.attempts).toMatchObject([{ provider, outcome: 'cancelled' }])
        expect([record.tokens.input, record.tokens.output]).toEqual([0, 0])
      },
    )
  },
)

describe('the sums', { timeout: SLOW }, () => {
  test('are those of the single requests', async () => {
    const { requests } = await embedded.admin.requests.list.query({ limit: 200 })
    expect(requests).toHaveLength(pairs.length * 5)
    const { rows } = await embedded.admin.usage.summary.query({ by: 'provider' })
    for (const provider of DIALECTS) {
      const own = requests.filter((one) => one.provider === provider)
      const row = rows.find(({ name }) => name === provider)
      const sum = (count: (one: (typeof own)[number]) => number): number =>
        own.reduce((total, one) => total + count(one), 0)
      expect(row).toMatchObject({
        requests: CLIENTS.length * 3,
        estimated: CLIENTS.length,
        unpriced: 0,
        input: sum(({ tokens }) => Math.round(tokens.input)),
        output: sum(({ tokens }) => Math.round(tokens.output)),
      })
      expect(row?.cost).toBeCloseTo(
        sum(({ cost }) => cost ?? 0),
        9,
      )
    }
  })
})
