/**
 * Canonical events as a Responses event stream.
 *
 * Pure. The official SDK rebuilds the answer from these events and throws at the first gap, so each item is
 * added, filled and done in this order, its places count without holes, its id never changes, and the
 * response at the end repeats the whole output.
 */
import type { Problem } from '#contracts/errors.ts'
import type { PartStart, StreamEvent } from '../canonical/stream.ts'
import type { AnswerTarget, StreamWriter } from '../dialect.ts'
import { customToolsOf, linkTo } from './items/write-output.ts'
import { echoOf, responseJson, type ResponseState } from './response-object.ts'
import { endingOf, errorEvent, NAME } from './terms.ts'
import { argue, callPart, endCall, endThought, think, thoughtPart } from './stream/write-calls.ts'
import {
  addImage,
  addNative,
  cite,
  closeMessage,
  endSaid,
  frame,
  saidPart,
  sayLogprobs,
  sayText,
  type Part,
  type Writing,
} from './stream/write-parts.ts'

const BROKEN: Problem = { code: 'stream_broken' }

export function openWriter(target: AnswerTarget): StreamWriter {
  const { request } = target
  const writing: Writing = {
    target,
    id: `resp_${target.newId()}`,
    echo: null,
    customTools: customToolsOf(request),
    wantsLogprobs: request.params.topLogprobs !== undefined,
    parts: new Map(),
    output: [],
    model: request.model,
    serviceTier: null,
    out: '',
    sequence: 0,
    nextPlace: 0,
    message: null,
    refused: false,
    usage: null,
    finish: null,
    started: false,
    over: false,
  }
  const taken = (): string => {
    const { out } = writing
    writing.out = ''
    return out
  }
  return {
    write(event: StreamEvent): string {
      if (!writing.over) writeEvent(event, writing)
      return taken()
    },
    end(): string {
      if (!writing.over) finish(writing)
      return taken()
    },
    fail(problem: Problem): string {
      if (!writing.over) fail(problem, writing)
      return taken()
    },
  }
}

function writeEvent(event: StreamEvent, writing: Writing): void {
  switch (event.kind) {
    case 'start':
      writing.model = event.model ?? writing.model
      writing.serviceTier = event.serviceTier
      writing.usage = event.usage
      start(writing)
      return
    case 'part-start':
      start(writing)
      openPart(event, writing)
      return
    case 'usage':
      writing.usage = event.usage
      return
    case 'finish':
      if (event.candidate === 0) writing.finish = event.finish
      return
    case 'error':
      fail(event.problem, writing)
      return
    case 'ping':
      writing.out += ': ping\n\n'
      return
    default: {
      // Parts of other candidates were never opened here.
      const part = writing.parts.get(event.index)
      if (part !== undefined) writePart(event, part, writing)
    }
  }
}

type PartEvent = Extract<StreamEvent, { index: number }>

function writePart(event: Exclude<PartEvent, PartStart>, part: Part, writing: Writing): void {
  switch (event.kind) {
    case 'text':
    case 'refusal':
      if (part.kind === 'text' || part.kind === 'refusal') sayText(part, event.text, writing)
      return
    case 'reasoning':
      if (part.kind === 'reasoning') think(part, event.text, writing)
      return
    case 'args':
      if (part.kind === 'tool-call') argue(part, event.text, writing)
      return
    case 'citation':
      if (part.kind === 'text') cite(part, event.citation, writing)
      return
    case 'logprobs':
      if (part.kind === 'text') sayLogprobs(part, event.tokens, writing)
      return
    case 'carrier':
      part.carrier = event.carrier
      return
    case 'part-end':
      writing.parts.delete(event.index)
      endPart(part, writing)
  }
}

function openPart({ index, candidate, part }: PartStart, writing: Writing): void {
  // The API gives one answer.
  if (candidate !== 0) return
  switch (part.kind) {
    case 'text':
      writing.parts.set(index, saidPart('text', part.phase))
      return
    case 'refusal':
      writing.parts.set(index, saidPart('refusal', writing.message?.phase))
      return
    case 'reasoning':
      writing.parts.set(index, thoughtPart(part.isSummary))
      return
    case 'tool-call':
      writing.parts.set(index, callPart(part, writing.customTools))
      return
    case 'media':
      if (part.media === 'image' && part.source.kind === 'base64') addImage(part, writing)
      else {
        const link = saidPart('text', undefined)
        sayText(link, linkTo(part), writing)
        endSaid(link, writing)
      }
      return
    case 'native':
      if (part.dialect === NAME) addNative(JSON.stringify(part.value), writing)
  }
}

function endPart(part: Part, writing: Writing): void {
  if (part.kind === 'reasoning') endThought(part, writing)
  else if (part.kind === 'tool-call') endCall(part, writing)
  else endSaid(part, writing)
}

// The response

function snapshot(
  type: 'created' | 'in_progress' | 'completed' | 'incomplete' | 'failed',
  state: Pick<ResponseState, 'ending' | 'problem'>,
  writing: Writing,
): void {
  writing.echo ??= echoOf(writing.target.request, writing.serviceTier)
  const response = responseJson({
    id: writing.id,
    model: writing.model,
    now: writing.target.now,
    echo: writing.echo,
    output: writing.output.join(','),
    usage: writing.usage,
    ...state,
  })
  frame(`response.${type}`, `"response":${response}`, writing)
}

function start(writing: Writing): void {
  if (writing.started) return
  writing.started = true
  const state = { ending: { status: 'in_progress', reason: null }, problem: null } as const
  snapshot('created', state, writing)
  snapshot('in_progress', state, writing)
}

function finish(writing: Writing): void {
  const { finish: said } = writing
  // Whoever stops without saying why has broken off.
  if (said === null) {
    fail(BROKEN, writing)
    return
  }
  start(writing)
  for (const part of writing.parts.values()) endPart(part, writing)
  if (said.kind === 'refusal' && said.explanation !== undefined && !writing.refused) {
    const refusal = saidPart('refusal', writing.message?.phase)
    sayText(refusal, said.explanation, writing)
    endSaid(refusal, writing)
  }
  const ending = endingOf(said, writing.nextPlace === 0)
  closeMessage(ending.status === 'incomplete' ? 'incomplete' : 'completed', writing)
  writing.over = true
  const problem: Problem | null = ending.status === 'failed' ? { code: 'upstream_error' } : null
  snapshot(ending.status, { ending, problem }, writing)
}

/** What was said so far stands in the failed response; its items are not told as done. */
function fail(problem: Problem, writing: Writing): void {
  const { out, sequence } = writing
  for (const part of writing.parts.values()) endPart(part, writing)
  closeMessage('incomplete', writing)
  writing.out = out + errorEvent(problem, sequence)
  writing.sequence = sequence + 1
  writing.over = true
  snapshot('failed', { ending: { status: 'failed', reason: null }, problem }, writing)
}
