/**
 * A chat event stream → the answer in the middle, piece by piece.
 *
 * Pure. Made for what hosts really send: tool calls without index, id, type or name in the first piece, a
 * second call under the index of the first, the role never or always, usage anywhere, content as lists, first
 * chunks without a choice, a finish reason before the last text, an error in a chunk that has choices.
 *
 * The finish is told at the end of the stream, because only then nothing can follow it any more.
 */
import type { Problem } from '#contracts/errors.ts'
import { isObject, numberOf, objectOf, parseJson, stringOf } from '../canonical/json.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { StreamEvent } from '../canonical/stream.ts'
import type { AnswerOrigin, SseEvent, StreamReader } from '../dialect.ts'
import { CandidateReader } from './read-delta.ts'
import { providerCarriers } from './reasoning.ts'
import { readUsage } from './terms.ts'

export const openReader = (origin: AnswerOrigin): StreamReader => new ChatStreamReader(origin)

const NOTHING: readonly StreamEvent[] = []

class ChatStreamReader implements StreamReader {
  readonly #context: ConstructorParameters<typeof CandidateReader>[1]
  readonly #candidates = new Map<number, CandidateReader>()
  #parts = 0
  #id = ''
  #started = false
  #ended = false

  constructor(origin: AnswerOrigin) {
    this.#context = {
      open: providerCarriers(origin.provider),
      toolNames: origin.toolNames,
      nextIndex: () => this.#parts++,
      answerId: () => this.#id,
    }
  }

  push({ data }: SseEvent): readonly StreamEvent[] {
    if (this.#ended) return NOTHING
    if (data === '[DONE]') return this.end()
    const chunk = parseJson(data)
    if (!isObject(chunk)) return this.#fail({ code: 'stream_broken' })
    const error = chunk['error']
    if (error !== undefined && error !== null) return this.#fail(problemOf(error))
    const events: StreamEvent[] = []
    if (!this.#started) this.#start(chunk, events)
    const choices = chunk['choices']
    if (Array.isArray(choices)) for (const choice of choices) this.#choose(objectOf(choice), events)
    const usage = readUsage(chunk['usage'] ?? objectOf(chunk['x_groq'])['usage'])
    if (usage !== null) events.push({ kind: 'usage', usage })
    return events
  }

  /** Azure's first chunk has neither id nor model nor choices: it starts nothing. */
  #start(chunk: JsonObject, events: StreamEvent[]): void {
    const id = stringOf(chunk['id']) ?? ''
    const choices = chunk['choices']
    if (id === '' && !(Array.isArray(choices) && choices.length > 0)) return
    this.#started = true
    this.#id = id
    const model = stringOf(chunk['model']) ?? ''
    events.push({
      kind: 'start',
      id: id === '' ? null : id,
      model: model === '' ? null : model,
      serviceTier: stringOf(chunk['service_tier']) ?? null,
      usage: null,
    })
  }

  #choose(choice: JsonObject, events: StreamEvent[]): void {
    const index = numberOf(choice['index']) ?? 0
    let candidate = this.#candidates.get(index)
    if (candidate === undefined) {
      candidate = new CandidateReader(index, this.#context)
      this.#candidates.set(index, candidate)
    }
    candidate.read(choice, events)
  }

  #fail(problem: Problem): readonly StreamEvent[] {
    this.#ended = true
    return [{ kind: 'error', problem }]
  }

  end(): readonly StreamEvent[] {
    if (this.#ended) return NOTHING
    const candidates = [...this.#candidates.values()]
    if (candidates.length === 0 || candidates.some(({ isFinished }) => !isFinished))
      return this.#fail({ code: 'stream_broken' })
    this.#ended = true
    const events: StreamEvent[] = []
    for (const candidate of candidates) candidate.finish(events)
    return events
  }
}

/** OpenAI's object, OpenRouter's with its number, xAI's plain text. */
function problemOf(error: unknown): Problem {
  const said = isObject(error) ? error : {}
  const message = stringOf(error) ?? stringOf(said['message'])
  const code = said['code'] === 'content_filter' ? 'content_filter' : 'upstream_error'
  return message === undefined ? { code } : { code, message }
}
