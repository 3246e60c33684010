/**
 * The loads a run can put on its subjects, and the bodies they send: always the same bytes.
 */

/** What one unit of the CPU figures is. */
export type Unit = 'request' | 'chunk' | 'stream'

export type Phase = Readonly<{
  name: string
  what: string
  /** Says what the upstream answers; see `load/script.ts`. */
  model: string
  /** Size of the request's body. */
  bodyBytes: number
  stream: boolean
  connections: number
  /** Requests a second, evenly spaced; null: each connection asks again as soon as it is answered. */
  ratePerSecond: number | null
  /** Before each window: connections are made, streams are spread over their length. In milliseconds. */
  settleMs: number
  unit: Unit
}>

const KIB = 1024
const json = { model: 'mock-j600', bodyBytes: 700, stream: false, settleMs: 500, unit: 'request' } as const
const stream = { bodyBytes: 700, stream: true, ratePerSecond: null } as const

/** Named like the phases of other benchmarks of gateways: `sat` is for saturated. */
export const PHASES: readonly Phase[] = [
  {
    ...json,
    name: 'sat',
    what: 'JSON, 700 B in, 600 B out, closed loop',
    connections: 64,
    ratePerSecond: null,
  },
  {
    ...json,
    name: 'rate',
    what: 'JSON, 700 B in, 600 B out, 500 a second',
    connections: 64,
    ratePerSecond: 500,
  },
  {
    ...json,
    name: 'big100k',
    what: 'JSON, 100 KB in, 600 B out, closed loop',
    bodyBytes: 100 * KIB,
    connections: 32,
    ratePerSecond: null,
  },
  {
    ...json,
    name: 'big1m',
    what: 'JSON, 1 MB in, 600 B out, closed loop',
    bodyBytes: KIB * KIB,
    connections: 16,
    ratePerSecond: null,
  },
  {
    ...stream,
    name: 'sse',
    what: 'SSE, 200 streams of 100 chunks, 20 ms apart',
    model: 'mock-s100-d20-p16',
    connections: 200,
    settleMs: 2_000,
    unit: 'chunk',
  },
  {
    ...stream,
    name: 'sseburst',
    what: 'SSE, 20 chunks at once, closed loop',
    model: 'mock-s20-d0-p16',
    connections: 64,
    settleMs: 500,
    unit: 'stream',
  },
  {
    ...stream,
    name: 'hold',
    what: 'SSE, 1000 streams held open, a chunk a second',
    model: 'mock-s60-d1000-p16',
    connections: 1_000,
    settleMs: 2_500,
    unit: 'chunk',
  },
]

export const DEFAULT_PHASES: readonly string[] = ['sat', 'rate', 'big100k', 'big1m', 'sse', 'sseburst']

const WORDS = (
  'the quick brown fox jumps over a lazy dog while reading "quoted" text\nand émigré café ' +
  'plus code { a: [1, 2, 3] } \\path\\to and so on'
).split(' ')

/** A conversation of about `bytes` bytes: quotes, escapes and letters of two bytes occur as in real ones. */
export function chatBody(model: string, { bodyBytes, stream: isStream }: Phase): Buffer {
  const messages = [{ role: 'system', content: 'You are a helpful assistant.' }]
  const rest = { temperature: 0.7, max_tokens: 512, stream: isStream }
  const options = isStream ? { stream_options: { include_usage: true } } : {}
  const encode = (): Buffer => Buffer.from(JSON.stringify({ model, messages, ...rest, ...options }))
  let missing = bodyBytes - encode().length
  while (missing > 80) {
    const role = messages.length % 2 === 1 ? 'user' : 'assistant'
    const message = { role, content: textOf(Math.min(missing * 0.85, role === 'user' ? 400 : 3_000)) }
    messages.push(message)
    missing -= Buffer.byteLength(JSON.stringify(message)) + 1
  }
  return encode()
}

function textOf(length: number): string {
  let text = ''
  for (let at = 0; text.length < length; at++) text += `${WORDS[at % WORDS.length]} `
  return text.slice(0, length)
}
