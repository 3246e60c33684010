/**
 * A request and its answer, in the client's own format, as the few texts that are kept of them.
 *
 * Pure. Secrets are taken out before a text is cut, so that none is halved.
 */
import type { Sealer } from '../dialects/canonical/carrier.ts'
import { isObject, parseJson, type JsonValue } from '../dialects/canonical/json.ts'
import type { AnswerPart } from '../dialects/canonical/reply.ts'
import type { CanonicalRequest, DialectName, Part, Turn } from '../dialects/canonical/request.ts'
import type { StreamReader } from '../dialects/dialect.ts'
import { DIALECT } from '../dialects/registry.ts'
import type { ContextPart } from './context.ts'
import { redact } from './redact.ts'

export type Said = Readonly<{
  dialect: DialectName
  framing: 'sse' | 'json-array'
  model: string
  stream: boolean
  request: Buffer
  answer: Buffer
}>

/** How much is kept of a request or of an answer. */
export type Bounds = Readonly<{
  /** Of the request: what is new since the last answer it repeats, or all of it. */
  of: 'new' | 'all'
  parts: number
  /** Of one text, and of all of them, in UTF-16 code units. */
  text: number
  total: number
}>

/** Of a session's turn. */
const MOST_PARTS = 40
export const contextBounds = (textLength: number): Bounds => ({
  of: 'new',
  parts: MOST_PARTS,
  text: textLength,
  total: Infinity,
})

/** Looking through the longest that is kept for secrets takes 8 ms of CPU, the usual far less than one. */
export const CONTENT_BOUNDS: Bounds = { of: 'all', parts: 100, text: 16_000, total: 64_000 }

/** What is looked through for secrets, in lengths of what is kept. */
const LOOKED_THROUGH = 4
/** Providers and tools do not matter here. */
const ORIGIN = { provider: '', toolNames: new Map<string, string>() }

/** `leftOut`: texts for which there was no room. */
export type Fitted = Readonly<{ parts: readonly ContextPart[]; leftOut: number }>

/** What was asked, read; null: it cannot be read. */
export type Asked = Pick<CanonicalRequest, 'system' | 'turns'> | null

export function readAsked({ dialect, framing, model, stream, request }: Said, sealer: Sealer): Asked {
  const value = parseJson(request.toString())
  if (!isObject(value)) return null
  const read = DIALECT[dialect].readRequest(value, { model, stream, headers: {}, framing, sealer })
  return read.ok ? read.value : null
}

/** What was asked; the newest of it where there is no room for all. */
export function requestParts(asked: Asked, bounds: Bounds): Fitted {
  if (asked === null) return { parts: [], leftOut: 0 }
  const { system, turns } = asked
  const texts = (bounds.of === 'all' ? turns : newTurns(turns)).flatMap(({ role, parts }) =>
    parts.flatMap((part) => partTexts(part).map((text) => ({ role, text }))),
  )
  const all: readonly Spoken[] = bounds.of === 'all' ? [...system, ...texts] : texts
  const { parts, leftOut } = fitted(all.toReversed(), bounds)
  return { parts: parts.toReversed(), leftOut }
}

export type Retold = Fitted & Readonly<{ isWhole: boolean }>

/** @returns what the answer says as far as it came; nothing for what is no answer. */
export const readAnswer = (said: Said): Texts => (said.stream ? streamTexts(said) : bodyTexts(said))

export function answerParts({ texts, isWhole }: Texts, bounds: Bounds): Retold {
  const spoken = texts.map((text) => ({ role: 'assistant', text }))
  return { ...fitted(spoken, bounds), isWhole }
}

type Spoken = Readonly<{ role: string; text: string }>

function fitted(texts: readonly Spoken[], { parts: most, text: longest, total }: Bounds): Fitted {
  const parts: ContextPart[] = []
  let room = total
  for (const { role, text } of texts) {
    if (parts.length === most || room <= 0) break
    const part = kept(role, text, Math.min(longest, room))
    parts.push(part)
    // What was only looked through has its price, too.
    room -= Math.max(part.text.length, Math.min(text.length, LOOKED_THROUGH * longest) / LOOKED_THROUGH)
  }
  return { parts, leftOut: texts.length - parts.length }
}

/** What an answer says, and whether it came to its end. */
export type Texts = Readonly<{ texts: readonly string[]; isWhole: boolean }>
const NOTHING: Texts = { texts: [], isWhole: false }

function newTurns(turns: readonly Turn[]): readonly Turn[] {
  const last = turns.findLastIndex(({ role }) => role === 'assistant')
  return turns.slice(last + 1)
}

function partTexts(part: Part | AnswerPart): readonly string[] {
  switch (part.kind) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [part.text]
    case 'media':
      return [`[${part.media}]`]
    case 'tool-call':
      return [`[call ${part.name}] ${part.args}`]
    case 'tool-result':
      return [`[result] ${part.content.flatMap(partTexts).join('\n')}`]
    case 'native':
      return [`[${part.type}]`]
    // What a model thought is not what it said.
    case 'reasoning':
      return []
    default:
      return part satisfies never
  }
}

function bodyTexts({ dialect, answer }: Said): Texts {
  const value = parseJson(answer.toString())
  if (!isObject(value)) return NOTHING
  const reply = DIALECT[dialect].readReply(value, ORIGIN)
  if (!reply.ok) return NOTHING
  return { texts: (reply.value.candidates[0]?.parts ?? []).flatMap(partTexts), isWhole: true }
}

function streamTexts({ dialect, framing, answer }: Said): Texts {
  const reader = DIALECT[dialect].openReader(ORIGIN)
  const told = new Told()
  const events = framing === 'json-array' ? elementsOf(answer) : eventsOf(answer)
  for (const event of events) told.take(reader.push(event))
  told.take(reader.end())
  return told.told()
}

type Pushed = Parameters<StreamReader['push']>[0]

/** The frames of an event stream that are whole. */
function eventsOf(answer: Buffer): readonly Pushed[] {
  return answer
    .toString()
    .split(/\r\n\r\n|\n\n|\r\r/)
    .slice(0, -1)
    .flatMap((frame) => {
      const lines = frame.split(/\r\n|\n|\r/)
      const valuesOf = (field: string): readonly string[] =>
        lines
          .filter((line) => line.startsWith(`${field}:`))
          .map((line) => line.slice(field.length + 1).replace(/^ /, ''))
      const data = valuesOf('data')
      return data.length === 0 ? [] : [{ event: valuesOf('event').at(-1) ?? '', data: data.join('\n') }]
    })
}

/** The elements of one JSON array, which is whole or tells nothing. */
function elementsOf(answer: Buffer): readonly Pushed[] {
  const value: JsonValue | undefined = parseJson(answer.toString())
  return Array.isArray(value) ? value.map((one) => ({ event: '', data: JSON.stringify(one) })) : []
}

/** The parts of a streamed answer, put together. */
class Told {
  readonly #parts = new Map<number, string>()
  #isWhole = false

  take(events: ReturnType<StreamReader['push']>): void {
    for (const event of events) {
      if (event.kind === 'part-start' && event.candidate === 0) {
        const { part } = event
        const opening =
          part.kind === 'tool-call'
            ? `[call ${part.name}] `
            : part.kind === 'media'
              ? `[${part.media}]`
              : part.kind === 'native'
                ? `[${part.type}]`
                : ''
        if (part.kind !== 'reasoning') this.#parts.set(event.index, opening)
      } else if (event.kind === 'text' || event.kind === 'refusal' || event.kind === 'args') {
        const before = this.#parts.get(event.index)
        if (before !== undefined) this.#parts.set(event.index, before + event.text)
      } else if (event.kind === 'finish') this.#isWhole = true
      else if (event.kind === 'error') this.#isWhole = false
    }
  }

  told(): Texts {
    return { texts: [...this.#parts.values()].filter((text) => text !== ''), isWhole: this.#isWhole }
  }
}

/** @param length of what is kept, in UTF-16 code units. */
function kept(role: string, text: string, length: number): ContextPart {
  const whole = redact(text.slice(0, LOOKED_THROUGH * length))
  const isCut = text.length > LOOKED_THROUGH * length || whole.length > length
  return { role, text: isCut ? whole.slice(0, length).toWellFormed() : whole, truncated: isCut }
}
