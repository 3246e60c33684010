/**
 * One conversation, by each SDK's own tool loop: calls side by side, thoughts whose opaque state must come back
 * untouched, several turns. What the upstream was sent is kept, to be compared with what it must be sent.
 */
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'
import { KEY } from '../../integration/gateway.ts'
import { SDKS } from '../sdk/sdks.ts'
import type { SdkName } from '../sdk/told.ts'
import type { Upstream } from '../upstream.ts'
import { LOOPS } from './clients.ts'
import { historyOf, type History } from './history.ts'
import { say, type Said } from './said.ts'

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

/** As Bedrock and Vertex say it; Anthropic's SDK then sends its whole history every time. */
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

export type Conversation = Readonly<{
  /** The last words, as the SDK hands them over. */
  told: string
  histories: readonly History[]
  /** What both should be. */
  expected: Readonly<{ told: string; histories: readonly History[] }>
}>

export async function converse(
  upstream: Upstream,
  origin: string,
  { sdk, dialect, stream }: Readonly<{ sdk: SdkName; dialect: DialectName; stream: boolean }>,
): Promise<Conversation> {
  const model = MODELS[dialect]
  const from = upstream.sent.length
  let step = 0
  upstream.script(model, (sent) => {
    if (sent.body['thread'] !== undefined) return UNTHREADED
    return say(dialect, TURNS[step++] ?? { text: 'too many' }, sent.stream)
  })
  const told = await LOOPS[sdk]({
    origin,
    key: KEY,
    model: `${dialect}/${model}`,
    stream,
    prompt: PROMPT,
    weather: (city) => ({ degrees: DEGREES[city] }),
  })
  const sent = upstream.sent.slice(from).filter(({ body }) => body['thread'] === undefined)
  const all = sent.map(({ body }) => historyOf(dialect, body))
  // Bytes of the client's own dialect pass: what its SDK leaves out there is between it and its provider.
  const isNative = SDKS[sdk].dialect === dialect
  return {
    told,
    histories: isNative ? all.map(withoutState) : all,
    expected: {
      told: '21, 24 and 7 degrees.',
      histories: isNative ? HISTORIES.map(withoutState) : HISTORIES,
    },
  }
}

const withoutState = (history: History): History => history.filter((line) => !line.startsWith('state: '))
