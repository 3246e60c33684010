/**
 * A request and its answer, in the client's own format, as the texts that are kept of them.
 *
 * Pure. Secrets are taken out before a text is cut to its length. What is too long to be looked through is cut
 * before that, where a word ends, so that no token is halved.
 */
import type { Sealer } from '../dialects/canonical/carrier.ts'
import { isObject, parseJson, type JsonValue } from '../dialects/canonical/json.ts'
import type { AnswerPart } from '../dialects/canonical/reply.ts'
import type { DialectName, Part, Turn } from '../dialects/canonical/request.ts'
import type { StreamReader } from '../dialects/dialect.ts'
import { DIALECT } from '../dialects/registry.ts'
import { beginningOf, CUT, endsOf } from './clip.ts'
import type { ContextPart } from './context.ts'
import { redact } from './redact.ts'

export type Said = Readonly<{
  dialect: DialectName
  framing: 'sse' | 'json-array'
  model: string
  stream: boolean
  request: Buffer
  /** Its beginning, where it was longer than that. */
  answer: Buffer
  isAnswerCut: boolean
}>

/** Bytes of a request and of an answer that are read; reading that many takes some 20 ms of CPU. */
export const MOST_BYTES = 1024 * 1024

/** How much is kept of a request or of an answer. */
export type Bounds = Readonly<{
  /** Of the request: what is new since the last answer it repeats, or all of it. */
  of: 'new' | 'all'
  parts: number
  /** Of one text, and of all of them, in UTF-16 code units. */
  text: number
  total: number
}>

/** Of a session's turn: so many texts, and so many of the longest. Whoever looks at a session reads all its turns. */
const MOST_PARTS = 40
const MOST_LONG_PARTS = 16
export const contextBounds = (textLength: number): Bounds => ({
  of: 'new',
  parts: MOST_PARTS,
  text: textLength,
  total: MOST_LONG_PARTS * textLength,
})

/** Looking through the longest that is kept for secrets takes 20 ms of CPU at worst, the usual far less than one. */
export const CONTENT_BOUNDS: Bounds = { of: 'all', parts: 100, text: 16_000, total: 64_000 }

/** What is looked through for secrets, in lengths of what is kept. */
const LOOKED_THROUGH = 4
/** Providers and tools do not matter here. */
const ORIGIN = { provider: '', toolNames: new Map<string, string>() }

/** `isCut`: more was said than is there. */
type Spoken = Readonly<{ role: string; text: string; isCut?: boolean }>

/** A request and its answer, read once for all the places that keep something of them. */
export type Told = Readonly<{
  request: readonly Spoken[]
  /** How many of these, the last, are new since the last answer that the request repeats. */
  fresh: number
  answer: readonly Spoken[]
  /** The answer came to its end. */
  isWhole: boolean
}>

export function retell(said: Said, sealer: Sealer): Told {
  return { ...requestTexts(said, sealer), ...answerTexts(said) }
}

/** `leftOut`: texts for which there was no room. */
export type Fitted = Readonly<{ parts: readonly ContextPart[]; leftOut: number }>

/** What was asked; the newest of it where there is no room for all. */
export function requestParts({ request, fresh }: Told, bounds: Bounds): Fitted {
  const texts = bounds.of === 'all' ? request : request.slice(request.length - fresh)
  const { parts, leftOut } = fitted(texts.toReversed(), bounds)
  return { parts: parts.toReversed(), leftOut }
}

/** What was answered, as far as it came; nothing for what is no answer. */
export const answerParts = ({ answer }: Told, bounds: Bounds): Fitted => fitted(answer, bounds)

function fitted(texts: readonly Spoken[], { parts: most, text: longest, total }: Bounds): Fitted {
  const parts: ContextPart[] = []
  let room = total
  for (const spoken of texts) {
    if (parts.length === most || room <= 0) break
    const part = kept(spoken, Math.min(longest, room))
    parts.push(part)
    // What was only looked through has its price, too.
    const looked = Math.min(spoken.text.length, LOOKED_THROUGH * longest)
    room -= Math.max(part.text.length, looked / LOOKED_THROUGH)
  }
  return { parts, leftOut: texts.length - parts.length }
}

function requestTexts(said: Said, sealer: Sealer): Pick<Told, 'request' | 'fresh'> {
  const { dialect, framing, model, stream, request } = said
  const isLong = request.length > MOST_BYTES
  const { text, isWhole } = isLong ? endsOf(request, MOST_BYTES) : { text: request.toString(), isWhole: true }
  // Where the oldest was left out, or nothing could be read of what is left.
  const mark: readonly Spoken[] = isLong ? [{ role: 'user', text: '', isCut: true }] : []
  const value = parseJson(text)
  const read = isObject(value)
    ? DIALECT[dialect].readRequest(value, { model, stream, headers: {}, framing, sealer })
    : null
  if (read === null || !read.ok) return { request: mark, fresh: mark.length }
  const { system, turns } = read.value
  const last = turns.findLastIndex(({ role }) => role === 'assistant')
  const [old, fresh] = [turnTexts(turns.slice(0, last + 1)), turnTexts(turns.slice(last + 1))]
  const all = [...system, ...(isWhole ? [] : mark), ...old, ...fresh]
  return { request: all, fresh: fresh.length + (last === -1 && !isWhole ? 1 : 0) }
}

const turnTexts = (turns: readonly Turn[]): readonly Spoken[] =>
  turns.flatMap(({ role, parts }) => parts.flatMap((part) => partTexts(part).map((text) => ({ role, text }))))

function answerTexts(said: Said): Pick<Told, 'answer' | 'isWhole'> {
  const { texts, isWhole } = said.stream ? streamTexts(said) : bodyTexts(said)
  if (!said.isAnswerCut) return { answer: texts.map((text) => ({ role: 'assistant', text })), isWhole }
  // The end of the last text is not there, and neither is what came behind it.
  const cut = texts.length === 0 ? [''] : texts
  const answer = cut.map((text, at) => ({ role: 'assistant', text, isCut: at === cut.length - 1 }))
  return { answer, isWhole: false }
}

type Texts = Readonly<{ texts: readonly string[]; isWhole: boolean }>
const NOTHING: Texts = { texts: [], isWhole: false }

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

/** The answer as JSON, closed where it was cut. */
const answerJson = ({ answer, isAnswerCut }: Said): JsonValue | undefined =>
  parseJson(isAnswerCut ? beginningOf(answer, MOST_BYTES) : answer.toString())

function bodyTexts(said: Said): Texts {
  const value = answerJson(said)
  if (!isObject(value)) return NOTHING
  const reply = DIALECT[said.dialect].readReply(value, ORIGIN)
  if (!reply.ok) return NOTHING
  return { texts: (reply.value.candidates[0]?.parts ?? []).flatMap(partTexts), isWhole: true }
}

function streamTexts(said: Said): Texts {
  const reader = DIALECT[said.dialect].openReader(ORIGIN)
  const told = new PartsOfStream()
  const events = said.framing === 'json-array' ? elementsOf(answerJson(said)) : eventsOf(said.answer)
  for (const event of events) told.take(reader.push(event))
  told.take(reader.end())
  return told.texts()
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
function elementsOf(value: JsonValue | undefined): readonly Pushed[] {
  return Array.isArray(value) ? value.map((one) => ({ event: '', data: JSON.stringify(one) })) : []
}

/** The parts of a streamed answer, put together. */
class PartsOfStream {
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

  texts(): Texts {
    return { texts: [...this.#parts.values()].filter((text) => text !== ''), isWhole: this.#isWhole }
  }
}

/** @param length of what is kept, in UTF-16 code units. */
function kept({ role, text, isCut = false }: Spoken, length: number): ContextPart {
  const said = text.replaceAll(CUT, '')
  const most = Math.min(said.length, LOOKED_THROUGH * length)
  const isHalved = isCut || most < said.length
  const whole = redact(isHalved ? said.slice(0, wordEnd(said, most)) : said)
  const isShort = isHalved || said !== text || whole.length > length
  return { role, text: isShort ? whole.slice(0, length).toWellFormed() : whole, truncated: isShort }
}

/** Where no word ends for so long, it is cut that much earlier, in UTF-16 code units. */
const LONGEST_WORD = 4_096
/** White space, brackets, quotes, and whatever no token is made of. */
const WORD_END = /[^\x21-\x7e]|["'\\,;<>(){}[\]]/

/** @returns the last place up to `most` at which a word ends, so that no secret is halved. */
function wordEnd(text: string, most: number): number {
  const least = Math.max(0, most - LONGEST_WORD)
  for (let at = most; at > least; at--) if (WORD_END.test(text[at] ?? 'x')) return at
  return least
}
