/**
 * Requests and answers of one dialect pass through byte for byte, but for the name of the model.
 */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { FakeProvider } from '../fakes/provider.ts'
import { Gateway, KEY } from './gateway.ts'

let provider: FakeProvider
let gateway: Gateway

beforeAll(async () => {
  provider = await FakeProvider.start()
  gateway = await Gateway.start({
    providers: { a: { baseUrl: provider.baseUrl } },
    models: { m: ['a/upstream-model'] },
    bodyLimit: 4 * 1024 * 1024,
  })
})
afterEach(() => {
  provider.reset()
  gateway.forgive()
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

function sha256(...parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

const EVENTS = 'text/event-stream'
const JSON_TYPE = 'application/json'

type Heard = Readonly<{ status: number; body: Buffer }>

/** Asks for the body, is answered with what the provider says. */
async function exchange(body: Buffer | string, said: string, type: string, status = 200): Promise<Heard> {
  provider.next({ status, body: said, headers: { 'content-type': type } })
  const headers = { authorization: `Bearer ${KEY}` }
  const answer = await fetch(`${gateway.baseUrl}/chat/completions`, {
    method: 'POST',
    headers,
    body: new Uint8Array(Buffer.from(body)),
  })
  return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) }
}

test('a request passes byte for byte but for the model, and its answer byte for byte', async () => {
  for (let round = 0; round < 60; round++) {
    const noise = randomBytes(round ** 2 * 10)
    const isStream = round % 2 === 1
    // Prompts with code, SQL, e-mail addresses and long numbers are nobody's business but the model's.
    const before = `{ "x" : ${JSON.stringify(noise.toString('utf8'))},\n"model"\t:`
    const after = `,"stream":${isStream},"messages":["'; DROP TABLE x;-- a@b.example 13800138000"],"y":[1.0,1e400,-0,{"a":"\\u0041","__proto__":1,"_apiproxy_path":"/x"}]} `
    const said = isStream
      ? `data: {"choices":[{"delta":{"content":${JSON.stringify(noise.toString('base64'))}}}]}\r\n\r\n: ${noise.toString('hex').slice(0, 500)}\n\ndata: [DONE]\n\n`
      : `{"choices":[{"message":{"content":${JSON.stringify(noise.toString('latin1'))}}}], "z":1.0}\n`
    const heard = await exchange(`${before}"m"${after}`, said, isStream ? EVENTS : JSON_TYPE)
    expect(heard.status).toBe(200)
    expect(sha256(provider.last.body)).toBe(sha256(before, '"upstream-model"', after))
    expect(sha256(heard.body)).toBe(sha256(said))
  }
})

const folder =
  process.env['APIPROXY_FIXTURES'] ?? new URL('../../../shared/fixtures', import.meta.url).pathname
const exchanges = `${folder}/exchanges/openai-chat.jsonl`
const streams = `${folder}/streams-vercel-ai/openai-chat`
const isRecorded = existsSync(exchanges) && existsSync(streams)
if (!isRecorded)
  process.stdout.write(
    `SKIPPED: recorded traffic, which is not in ${folder}. APIPROXY_FIXTURES names its folder.\n`,
  )

type Recorded = Readonly<{
  request: Readonly<{ body: object }>
  response: Readonly<{ status: number; body?: unknown; raw?: string }>
}>

test.skipIf(!isRecorded)('requests and answers recorded of real providers pass in the same way', async () => {
  const recorded = readFileSync(exchanges, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Recorded)
  const counts = { wholes: 0, streams: 0, refusals: 0, errors: 0 }
  for (const { request, response } of recorded) {
    const body = JSON.stringify({ ...request.body, model: 'm' })
    // What one answer has taught about the provider must not keep the next request from it.
    gateway.forgive()
    const said = response.raw ?? JSON.stringify(response.body)
    const heard = await exchange(body, said, response.raw === undefined ? JSON_TYPE : EVENTS, response.status)
    expect(sha256(provider.last.body)).toBe(sha256(body.replace('"model":"m"', '"model":"upstream-model"')))
    // Azure puts an error of the caller's own making under a 200; and what moves on has nowhere to go here.
    const isPassed = response.status === 400 || (response.status === 200 && !said.startsWith('{"error":'))
    if (isPassed) expect([heard.status, sha256(heard.body)]).toEqual([response.status, sha256(said)])
    else expect(JSON.parse(heard.body.toString())).toHaveProperty('error.code')
    counts[
      !isPassed
        ? 'errors'
        : response.status === 400
          ? 'refusals'
          : response.raw === undefined
            ? 'wholes'
            : 'streams'
    ] += 1
  }
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(3)
})

test.skipIf(!isRecorded)(
  'streams and answers recorded of compatible providers pass in the same way',
  async () => {
    const counts = { wholes: 0, streams: 0 }
    for (const name of readdirSync(streams)) {
      const text = readFileSync(`${streams}/${name}`, 'utf8')
      const isStream = name.endsWith('.chunks.txt')
      const said = isStream
        ? `${text
            .trim()
            .split('\n')
            .map((line) => `data: ${line}\n\n`)
            .join('')}data: [DONE]\n\n`
        : text
      const heard = await exchange(`{"model":"m","stream":${isStream}}`, said, isStream ? EVENTS : JSON_TYPE)
      expect([name, heard.status, sha256(heard.body)]).toEqual([name, 200, sha256(said)])
      counts[isStream ? 'streams' : 'wholes'] += 1
    }
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(3)
  },
)
