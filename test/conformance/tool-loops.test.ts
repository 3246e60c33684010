/**
 * Each SDK's own tool loop over each upstream dialect: calls side by side, thoughts whose opaque state must come
 * back untouched, several turns. The upstream verifies what it is sent before it goes on.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DIALECTS, type DialectName } from '#data-plane/dialects/canonical/request.ts'
import { Gateway, KEY } from '../integration/gateway.ts'
import { LOOPS } from './loops/clients.ts'
import { historyOf } from './loops/history.ts'
import { say, type Said } from './loops/said.ts'
import { SDK_NAMES, SDKS } from './sdk/sdks.ts'
import { Upstream } from './upstream.ts'

const PROMPT = 'How warm is it in Paris, in Rome, and then in the colder one’s rival?'
/** Models whose reasoning state is wanted back. */
const MODELS: Readonly<Record<DialectName, string>> = {
  'openai-chat': 'some-reasoner',
  'openai-responses': 'gpt-5.1',
  anthropic: 'claude-sonnet-4-5',
  gemini: 'gemini-3-flash-preview',
}
const DEGREES: Readonly<Record<string, number>> = { Paris: 21, Rome: 24, Oslo: 7 }

const call = (id: string, city: string) => ({ id, name: 'get_weather', args: { city } })
/** Base64, as all of them are; as long as real ones. */
const state = (name: string): string => Buffer.from(`${name} `.repeat(40)).toString('base64')
const TURNS: readonly Said[] = [
  {
    thought: { text: 'Both at once.', state: state('first') },
    calls: [call('call_paris', 'Paris'), call('call_rome', 'Rome')],
  },
  { thought: { text: 'Paris is colder.', state: state('second') }, calls: [call('call_oslo', 'Oslo')] },
  { text: '21, 24 and 7 degrees.' },
]
const asked = (city: string): string => `call: get_weather {"city":"${city}"}`
const result = (city: string): string => `result of {"city":"${city}"}: {"degrees":${DEGREES[city]}}`
const FIRST = [`state: ${state('first')}`, asked('Paris'), asked('Rome'), result('Paris'), result('Rome')]
const SECOND = [`state: ${state('second')}`, asked('Oslo'), result('Oslo')]
/** What the upstream has to be sent, request by request. */
const HISTORIES = [
  [`user: ${PROMPT}`],
  [`user: ${PROMPT}`, ...FIRST],
  [`user: ${PROMPT}`, ...FIRST, ...SECOND],
]

const UNTHREADED = {
  status: 400,
  text: JSON.stringify({
    type: 'error',
    error: {
      type: 'invalid_request_error',
      message: 'Threads are not supported.',
      details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] },
    },
  }),
  stream: false,
}

let upstream: Upstream
let gateway: Gateway
beforeAll(async () => {
  // The AI SDK warns of models' names that are not its own.
  globalThis.AI_SDK_LOG_WARNINGS = false
  upstream = await Upstream.start()
  gateway = await Gateway.start({ providers: upstream.providers })
})
afterAll(async () => {
  globalThis.AI_SDK_LOG_WARNINGS = undefined
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

const CASES = SDK_NAMES.flatMap((sdk) =>
  DIALECTS.flatMap((dialect) =>
    [false, true].map((stream) => [sdk, dialect, stream ? 'streaming' : 'whole', stream] as const),
  ),
)

test.each(CASES)('the loop of %s ends well over %s, %s', async (sdk, dialect, _how, stream) => {
  const model = MODELS[dialect]
  const from = upstream.sent.length
  let step = 0
  upstream.script(model, (sent) => {
    // As Bedrock and Vertex say it; the SDK then sends its whole history every time.
    if (sent.body['thread'] !== undefined) return UNTHREADED
    return say(dialect, TURNS[step++] ?? { text: 'too many' }, sent.stream)
  })
  const told = await LOOPS[sdk]({
    origin: gateway.baseUrl.replace(/\/v1$/, ''),
    key: KEY,
    model: `${dialect}/${model}`,
    stream,
    prompt: PROMPT,
    weather: (city) => ({ degrees: DEGREES[city] }),
  })
  expect(told).toBe('21, 24 and 7 degrees.')
  const histories = upstream.sent
    .slice(from)
    .filter(({ body }) => body['thread'] === undefined)
    .map(({ body }) => historyOf(dialect, body))
  // Bytes of the client's own dialect pass: what its SDK leaves out there is between it and its provider.
  const isNative = SDKS[sdk].dialect === dialect
  const wanted = isNative ? HISTORIES.map(withoutState) : HISTORIES
  expect(isNative ? histories.map(withoutState) : histories).toEqual(wanted)
})

const withoutState = (history: readonly string[]): readonly string[] =>
  history.filter((line) => !line.startsWith('state: '))
