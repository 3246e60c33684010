/**
 * What converting costs beside letting the bytes pass: a chat body of 100 KB on its way to a provider of another
 * dialect, and a stream of 300 chunks on its way back, each way.
 */
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import type { ProviderKind } from '#contracts/catalog/provider.ts'
import { createSealer } from '#data-plane/carriers/sealer.ts'
import { objectOf, parseJson } from '#data-plane/dialects/canonical/json.ts'
import { DIALECTS, type DialectName } from '#data-plane/dialects/canonical/request.ts'
import { NATIVE_ANSWERS } from '#data-plane/dialects/native/answers.ts'
import { patchRequest, readRequest } from '#data-plane/dialects/native/read-request.ts'
import { DIALECT } from '#data-plane/dialects/registry.ts'
import { NativePassage } from '#data-plane/upstream/passage/native.ts'
import { piecesOf } from '#data-plane/upstream/request-body.ts'
import type { StreamPassage } from '#data-plane/upstream/passage.ts'
import { openConversion } from '../conformance/streams/cut-streams.ts'

export type Conversion = Readonly<{
  what: string
  /** The same work where nothing has to be converted. */
  native: () => unknown
  converted: () => unknown
}>

const KIND: Readonly<Record<DialectName, readonly [kind: ProviderKind, host: string, model: string]>> = {
  'openai-chat': ['openai', 'api.openai.com', 'gpt-5.1'],
  'openai-responses': ['openai', 'api.openai.com', 'gpt-5.1'],
  anthropic: ['anthropic', 'api.anthropic.com', 'claude-opus-4-5'],
  gemini: ['gemini', 'generativelanguage.googleapis.com', 'gemini-3-pro-preview'],
}
const sealer = createSealer(Buffer.alloc(32, 5))
const others = DIALECTS.filter((dialect) => dialect !== 'openai-chat')

/** @param chat a chat body, as a client sends it. */
export function* conversions(chat: Buffer): Generator<Conversion> {
  const size = `${Math.round(chat.length / 1024)} KB`
  for (const to of others) {
    yield {
      what: `request of ${size}, openai-chat to ${to}`,
      native: () => passed(chat),
      converted: () => converted('openai-chat', to, chat),
    }
    const foreign = converted('openai-chat', to, chat)
    yield {
      what: `request of ${size}, ${to} to openai-chat`,
      native: () => passed(chat),
      converted: () => converted(to, 'openai-chat', foreign),
    }
  }
  for (const to of others) {
    const stream = chatStream()
    const foreign = streamOf('openai-chat', to, stream)
    yield {
      what: `stream of 300 chunks, openai-chat to ${to}`,
      native: () => carried(nativeStream('openai-chat'), stream),
      converted: () => carried(openConversion('openai-chat', to), stream),
    }
    yield {
      what: `stream of 300 chunks, ${to} to openai-chat`,
      native: () => carried(nativeStream(to), foreign),
      converted: () => carried(openConversion(to, 'openai-chat'), foreign),
    }
  }
}

const OTHER_MODEL = Buffer.from('"another-model"')

function passed(body: Buffer): Buffer {
  const request = readRequest(body, undefined)
  if (!request.ok) throw new Error(request.error.code)
  return Buffer.concat(piecesOf(patchRequest(request.value, OTHER_MODEL)))
}

function converted(from: DialectName, to: DialectName, body: Buffer): Buffer {
  const context = { model: 'm', stream: false, headers: {}, framing: 'sse', sealer } as const
  const read = DIALECT[from].readRequest(objectOf(parseJson(body.toString())), context)
  if (!read.ok) throw new Error(read.error.code)
  const [kind, host, model] = KIND[to]
  const capabilities = capabilitiesOf(kind, host, model, {})
  const written = DIALECT[to].writeRequest(read.value, { model, provider: 'p', capabilities, stream: false })
  return Buffer.from(written.body)
}

/** One chunk for each event, as providers send them. */
function chatStream(): readonly Buffer[] {
  const frame = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_790_000_000, model: 'm' }
  const chunk = (delta: object, finish: string | null = null): Buffer =>
    Buffer.from(
      `data: ${JSON.stringify({ ...frame, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
    )
  return [
    chunk({ role: 'assistant', content: '' }),
    ...Array.from({ length: 298 }, (_, at) => chunk({ content: `word ${at} ` })),
    chunk({}, 'stop'),
    Buffer.from('data: [DONE]\n\n'),
  ]
}

const nativeStream = (dialect: DialectName): StreamPassage =>
  new NativePassage({ answers: NATIVE_ANSWERS[dialect], meter: null, errorEvent: () => '' }).openStream()

function carried(passage: StreamPassage, chunks: readonly Buffer[]): Buffer[] {
  const told: Buffer[] = []
  for (const chunk of chunks) {
    const out = passage.push(chunk)
    if (out !== null) told.push(out)
  }
  const { ending, last } = passage.end()
  if (ending !== 'finished') throw new Error(`the stream is ${ending}`)
  if (last !== null) told.push(last)
  return told
}

const streamOf = (from: DialectName, to: DialectName, chunks: readonly Buffer[]): readonly Buffer[] =>
  carried(openConversion(from, to), chunks)
