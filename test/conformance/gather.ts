/**
 * The events of a stream, put together into the answer they tell, with every promise of the form in the
 * middle checked on the way.
 */
import type { Problem } from '#contracts/errors.ts'
import type {
  AnswerPart,
  CanonicalReply,
  Candidate,
  Finish,
  Usage,
} from '#data-plane/dialects/canonical/reply.ts'
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'
import type { PartStart, StreamEvent } from '#data-plane/dialects/canonical/stream.ts'
import type { SseEvent, StreamReader } from '#data-plane/dialects/dialect.ts'

export type Gathered = Readonly<{ reply: CanonicalReply; problem: Problem | null }>

/** All that a reader says of these events. */
export const readStream = (reader: StreamReader, events: readonly SseEvent[]): StreamEvent[] => [
  ...events.flatMap((event) => reader.push(event)),
  ...reader.end(),
]

/** @throws on a broken promise: a part closed twice, an event for a part that is not open, … */
export function gather(events: readonly StreamEvent[], dialect: DialectName): Gathered {
  const parts: { candidate: number; part: AnswerPart; isOpen: boolean }[] = []
  const finishes = new Map<number, Finish>()
  const logprobs = new Map<number, Candidate['logprobs']>()
  let usage: Usage | null = null
  let problem: Problem | null = null
  let start: Extract<StreamEvent, { kind: 'start' }> | null = null
  for (const event of events) {
    if (problem !== null) throw new Error(`${event.kind} after an error`)
    if (event.kind === 'error') problem = event.problem
    if (event.kind === 'error' || event.kind === 'ping') continue
    if (event.kind === 'start') {
      if (start !== null) throw new Error('a second start')
      start = event
      usage = event.usage
      continue
    }
    if (start === null) throw new Error(`${event.kind} before the start`)
    if (event.kind === 'usage') usage = event.usage
    else if (event.kind === 'finish') {
      if (parts.some(({ candidate, isOpen }) => isOpen && candidate === event.candidate))
        throw new Error('finish while a part is open')
      if (finishes.has(event.candidate)) throw new Error('a second finish')
      finishes.set(event.candidate, event.finish)
    } else if (event.kind === 'part-start') {
      if (event.index !== parts.length) throw new Error(`part ${event.index} as the ${parts.length}th`)
      if (finishes.has(event.candidate)) throw new Error('a part after the finish')
      parts.push({ candidate: event.candidate, part: begun(event.part), isOpen: true })
    } else {
      const open = parts[event.index]
      if (open?.isOpen !== true) throw new Error(`${event.kind} for part ${event.index}, which is not open`)
      if (event.kind === 'part-end') open.isOpen = false
      else if (event.kind === 'logprobs') {
        logprobs.set(open.candidate, [...(logprobs.get(open.candidate) ?? []), ...event.tokens])
      } else open.part = grown(open.part, event)
    }
  }
  const numbers = new Set([...parts.map(({ candidate }) => candidate), ...finishes.keys()])
  const candidates = [...numbers]
    .toSorted((a, b) => a - b)
    .map((index) => ({
      index,
      parts: parts.filter(({ candidate }) => candidate === index).map(({ part }) => part),
      finish: finishes.get(index) ?? { kind: 'other' as const, explanation: 'unfinished' },
      logprobs: logprobs.get(index) ?? null,
    }))
  return {
    reply: {
      dialect,
      id: start?.id ?? null,
      model: start?.model ?? null,
      created: null,
      candidates,
      usage,
      serviceTier: start?.serviceTier ?? null,
    },
    problem,
  }
}

function begun(part: PartStart['part']): AnswerPart {
  switch (part.kind) {
    case 'text':
    case 'refusal':
      return { ...part, text: '' }
    case 'reasoning':
      return { ...part, text: '' }
    case 'tool-call':
      return { ...part, args: '' }
    case 'media':
    case 'native':
      return part
  }
}

type Growth = Extract<
  StreamEvent,
  { kind: 'text' | 'refusal' | 'reasoning' | 'args' | 'carrier' | 'citation' }
>

function grown(part: AnswerPart, event: Growth): AnswerPart {
  if (event.kind === 'carrier') {
    if (part.kind === 'text' || part.kind === 'reasoning' || part.kind === 'tool-call')
      return { ...part, carrier: event.carrier }
  } else if (event.kind === 'citation') {
    if (part.kind === 'text') return { ...part, citations: [...(part.citations ?? []), event.citation] }
  } else if (event.kind === 'args') {
    if (part.kind === 'tool-call') return { ...part, args: part.args + event.text }
  } else if (part.kind === event.kind) return { ...part, text: part.text + event.text }
  throw new Error(`${event.kind} for a part of kind ${part.kind}`)
}
