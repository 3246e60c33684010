/**
 * What routing needs to know of a request, read from its bytes, whatever its dialect.
 *
 * Pure. The body itself is never rebuilt: `patchRequest` replaces the model's span and leaves the rest.
 */
import { isUtf8 } from 'node:buffer'
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { isObject, parseJson, type JsonObject } from '../canonical/json.ts'
import { scanTopLevel, type ScanProblem } from '../json-scan.ts'
import { SKIM_FROM, skimTopLevel } from '../json-skim.ts'

export type NativeRequest = Readonly<{
  body: Buffer
  /** The bytes of a small body as latin1 text, for whoever searches it; null: it is large. */
  text: string | null
  model: string
  stream: boolean
  /** Where the model's JSON string stands in the body; -1: it is said in the address. */
  modelStart: number
  modelEnd: number
  /** The caller asked for a stream by `Accept` alone: the body has to say so, too. */
  addStream: boolean
}>

/** The model first: what `skimTopLevel` guards most. */
const WANTED = ['model', 'stream']

const SCAN_PROBLEMS: Readonly<Record<ScanProblem, Problem>> = {
  not_an_object: { code: 'malformed_json', message: 'The request body must be a JSON object.' },
  malformed: { code: 'malformed_json', message: 'The request body is not valid JSON.' },
  duplicate_key: { code: 'malformed_json', message: "The request body names 'model' or 'stream' twice." },
  too_deep: { code: 'malformed_json', message: 'The request body is nested too deeply.' },
}

/**
 * @param accept the `Accept` header; counts only when the body does not say `stream`.
 * @param address what the address says already (Gemini); the body is then only checked.
 */
export function readRequest(
  body: Buffer,
  accept: string | undefined,
  address: Readonly<{ model: string; stream: boolean }> | null = null,
): Result<NativeRequest, Problem> {
  const text = body.length < SKIM_FROM ? body.toString('latin1') : null
  const wanted = address === null ? WANTED : []
  const spans = text === null ? skimTopLevel(body, wanted) : scanTopLevel(body, wanted, text)
  if (typeof spans === 'string') return err(SCAN_PROBLEMS[spans])
  if (!isUtf8(body)) return err({ code: 'malformed_json', message: 'The request body is not valid UTF-8.' })
  if (address !== null) {
    const { model, stream } = address
    return ok({ body, text, model, stream, modelStart: -1, modelEnd: -1, addStream: false })
  }
  const [modelStart = -1, modelEnd = -1, streamStart = -1, streamEnd = -1] = spans
  if (modelStart === -1) return err({ code: 'missing_model', param: 'model' })
  const model = readString(body, text, modelStart, modelEnd)
  if (model === null) {
    return err({ code: 'invalid_value', param: 'model', message: "'model' must be a string." })
  }
  if (model === '') return err({ code: 'missing_model', param: 'model' })

  const addStream = streamStart === -1 && accept?.includes('text/event-stream') === true
  const stream = streamStart === -1 ? addStream : readSwitch(body, streamStart, streamEnd)
  if (stream === null) {
    return err({ code: 'invalid_value', param: 'stream', message: "'stream' must be true or false." })
  }
  return ok({ body, text, model, modelStart, modelEnd, stream, addStream })
}

/**
 * The whole body, for what cannot be passed on as it is. All of it is checked: of a large one `readRequest`
 * has not seen the middle.
 */
export function parseRequest(body: Buffer): Result<JsonObject, Problem> {
  const spans = scanTopLevel(body, [])
  if (typeof spans === 'string') return err(SCAN_PROBLEMS[spans])
  const value = parseJson(body.toString())
  return isObject(value) ? ok(value) : err(SCAN_PROBLEMS.malformed)
}

/** @param text the body as latin1 text, which spares a call out of compiled code; null: there is none. */
function readString(body: Buffer, text: string | null, start: number, end: number): string | null {
  if (body[start] !== QUOTE) return null
  if (text !== null && isPlain(body, start + 1, end - 1)) return text.slice(start + 1, end - 1)
  const inside = body.toString('utf8', start + 1, end - 1)
  if (!inside.includes('\\')) return inside
  try {
    const value: unknown = JSON.parse(`"${inside}"`)
    return typeof value === 'string' ? value : null
  } catch {
    return null
  }
}

/** ASCII without escapes. */
function isPlain(body: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = body[at] ?? BACKSLASH
    if (byte >= 0x80 || byte === BACKSLASH) return false
  }
  return true
}

/** An explicit null is OpenAI's default, false. @returns null for anything but a boolean. */
function readSwitch(body: Buffer, start: number, end: number): boolean | null {
  // Whatever else a value of JSON is, it begins with another byte, or is longer.
  const first = body[start]
  if (first === 0x74 && end - start === 4) return true
  return (first === 0x66 && end - start === 5) || (first === 0x6e && end - start === 4) ? false : null
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_OBJECT = 0x7b
/** From here on copying costs more than sending two pieces. */
const SPLICED_BYTES = 64 * 1024

const ADD_STREAM = Buffer.from('{"stream":true,')

/**
 * @param modelJson the upstream's model name as a JSON string.
 * @returns the body for that upstream; the very same buffer when nothing has to change, and pieces where a copy
 * would be large.
 */
export function patchRequest(request: NativeRequest, modelJson: Buffer): Buffer | readonly Buffer[] {
  const { body, modelStart, modelEnd, addStream } = request
  if (modelStart === -1) return body
  const sameModel = modelJson.length === modelEnd - modelStart && isAt(body, modelStart, modelJson)
  if (sameModel && !addStream) return body
  const isCopied = body.length - modelEnd < SPLICED_BYTES
  if (isCopied && !addStream) return replaced(body, modelStart, modelEnd, modelJson)
  const front = addStream
    ? [ADD_STREAM, body.subarray(body.indexOf(OPEN_OBJECT) + 1, modelStart)]
    : [body.subarray(0, modelStart)]
  const rest = body.subarray(modelEnd)
  const head = [...front, modelJson]
  return isCopied ? Buffer.concat([...head, rest]) : [Buffer.concat(head), rest]
}

function isAt(body: Buffer, start: number, bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at++) if (body[start + at] !== bytes[at]) return false
  return true
}

/** What nearly every request needs: nothing is made for it but the copy. */
function replaced(body: Buffer, start: number, end: number, by: Buffer): Buffer {
  const copy = Buffer.allocUnsafe(body.length - (end - start) + by.length)
  body.copy(copy, 0, 0, start)
  copy.set(by, start)
  body.copy(copy, start + by.length, end)
  return copy
}
