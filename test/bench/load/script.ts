/**
 * What the upstream answers, as the model name says it:
 *
 *     mock-j600           JSON of about 600 bytes
 *     mock-s100-d20-p16   SSE: 100 chunks, 20 ms apart (0: all at once), 16 bytes of text each
 *
 * Pure. Answers are built once per model; what changes is the time mark in each chunk.
 */
import { markOf } from './mark.ts'

export type Script =
  | Readonly<{ kind: 'json'; answer: Buffer }>
  | Readonly<{ kind: 'stream'; head: string; chunks: number; everyMs: number; chunk: Frame; end: string }>

/** A chunk around its mark. */
type Frame = Readonly<{ before: string; after: string }>

const MODEL = /^mock-(?:j(\d+)|s(\d+)-d(\d+)-p(\d+))$/

/** @returns null for a model that says nothing. */
export function scriptOf(model: string): Script | null {
  const [, bytes, chunks, everyMs, textBytes] = MODEL.exec(model) ?? []
  if (bytes !== undefined) return { kind: 'json', answer: Buffer.from(jsonAnswer(Number(bytes))) }
  if (chunks === undefined) return null
  return {
    kind: 'stream',
    head: STREAM_HEAD,
    chunks: Number(chunks),
    everyMs: Number(everyMs),
    chunk: frameOf(Number(textBytes)),
    end: STREAM_END,
  }
}

const ANSWER = { id: 'chatcmpl-bench0123456789abcdef', created: 1_700_000_000, model: 'mock' }
const USAGE = { prompt_tokens: 21, completion_tokens: 84, total_tokens: 105 }
const JSON_HEADERS =
  'content-type: application/json\r\nx-request-id: req_bench0123456789\r\nopenai-processing-ms: 1'
const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n' +
  'x-request-id: req_bench0123456789\r\ntransfer-encoding: chunked\r\n\r\n'

function jsonAnswer(bytes: number): string {
  const bodyWith = (content: string): string =>
    JSON.stringify({
      ...ANSWER,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content, refusal: null }, finish_reason: 'stop' }],
      usage: USAGE,
    })
  const body = bodyWith(filler(bytes - bodyWith('').length))
  return `HTTP/1.1 200 OK\r\n${JSON_HEADERS}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

const filler = (length: number): string =>
  'lorem ipsum dolor '.repeat(Math.ceil(Math.max(1, length) / 18)).slice(0, Math.max(1, length))

/** Every mark has the same length, and so has every chunk. */
function frameOf(textBytes: number): Frame {
  const mark = markOf(0)
  const choices = [
    { index: 0, delta: { role: 'assistant', content: `${mark}${filler(textBytes)}` }, finish_reason: null },
  ]
  const event = `data: ${JSON.stringify({ ...ANSWER, object: 'chat.completion.chunk', choices })}\n\n`
  const at = event.indexOf(mark)
  return { before: framed(event).split(mark)[0] ?? '', after: `${event.slice(at + mark.length)}\r\n` }
}

/** As a chunk of a chunked body. */
const framed = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`

const LAST = {
  ...ANSWER,
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
  usage: USAGE,
}
const STREAM_END = `${framed(`data: ${JSON.stringify(LAST)}\n\ndata: [DONE]\n\n`)}0\r\n\r\n`
