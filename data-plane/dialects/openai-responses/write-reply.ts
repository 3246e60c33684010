/**
 * A canonical answer as a Responses body.
 *
 * Pure.
 */
import type { AnswerPart, CanonicalReply, Candidate } from '../canonical/reply.ts'
import type { RefusalPart, TextPart } from '../canonical/request.ts'
import type { AnswerTarget } from '../dialect.ts'
import { unwrapText } from '../repair/custom-tools.ts'
import {
  callItem,
  customToolsOf,
  imageItem,
  linkTo,
  messageItem,
  reasoningItem,
  refusalContent,
  stateOf,
  textContent,
  type ItemStatus,
} from './items/write-output.ts'
import { echoOf, responseJson } from './response-object.ts'
import { annotationOf, endingOf, logprobsJson, NAME, type Ending } from './terms.ts'

export function writeReply(reply: CanonicalReply, target: AnswerTarget): string {
  const id = `resp_${target.newId()}`
  const [candidate] = reply.candidates
  const ending = endingOf(candidate?.finish ?? { kind: 'other' }, candidate?.parts.length === 0)
  const items = candidate === undefined ? [] : outputOf(candidate, ending, target)
  return responseJson({
    id,
    model: reply.model ?? target.request.model,
    now: target.now,
    echo: echoOf(target.request, reply.serviceTier),
    ending,
    output: items.join(','),
    usage: reply.usage,
    problem: ending.status === 'failed' ? { code: 'upstream_error' } : null,
  })
}

type Output = {
  readonly items: string[]
  readonly target: AnswerTarget
  readonly customTools: ReadonlySet<string>
  /** Content of the message that is being put together. */
  content: string[]
  phase: string | undefined
  logprobs: string
}

function outputOf(candidate: Candidate, ending: Ending, target: AnswerTarget): readonly string[] {
  // Some upstreams give them unasked.
  const wantsLogprobs = target.request.params.topLogprobs !== undefined
  const output: Output = {
    items: [],
    target,
    customTools: customToolsOf(target.request),
    content: [],
    phase: undefined,
    logprobs: logprobsJson(wantsLogprobs ? (candidate.logprobs ?? []) : []),
  }
  for (const part of candidate.parts) addPart(part, output)
  const { finish, parts } = candidate
  if (finish.kind === 'refusal' && !parts.some(({ kind }) => kind === 'refusal')) {
    if (finish.explanation !== undefined) addContent({ kind: 'refusal', text: finish.explanation }, output)
  }
  closeMessage(output, ending.status === 'incomplete' ? 'incomplete' : 'completed')
  return output.items
}

function addPart(part: AnswerPart, output: Output): void {
  const { items, target } = output
  switch (part.kind) {
    case 'text':
    case 'refusal':
      addContent(part, output)
      return
    case 'reasoning': {
      const { text, isSummary, carrier } = part
      if (text === '' && carrier === undefined) return
      closeMessage(output, 'completed')
      const state = carrier === undefined ? null : stateOf(carrier, text, target.sealer)
      items.push(reasoningItem(`rs_${target.newId()}`, 'completed', { text, isSummary, state }))
      return
    }
    case 'tool-call': {
      closeMessage(output, 'completed')
      if (part.carrier !== undefined) items.push(holder(part.carrier, target))
      const isWrapped = !part.isCustom && output.customTools.has(part.name)
      const args = isWrapped ? unwrapText(part.args) : part.args
      const isCustom = part.isCustom || isWrapped
      const call = { id: part.id, name: part.name, isCustom }
      items.push(
        callItem(`${isCustom ? 'ctc' : 'fc'}_${target.newId()}`, 'completed', call, argsOf(args, isCustom)),
      )
      return
    }
    case 'media': {
      if (part.media !== 'image' || part.source.kind !== 'base64') {
        addContent({ kind: 'text', text: linkTo(part) }, output)
        return
      }
      closeMessage(output, 'completed')
      const mimeType = part.mimeType ?? 'image/png'
      items.push(imageItem(`ig_${target.newId()}`, 'completed', part.source.data, mimeType))
      return
    }
    case 'native':
      if (part.dialect !== NAME) return
      closeMessage(output, 'completed')
      items.push(JSON.stringify(part.value))
  }
}

/** Arguments of a function are always JSON. */
const argsOf = (args: string, isCustom: boolean): string => (args === '' && !isCustom ? '{}' : args)

/** An item that does nothing but keep the state of the part after it. */
const holder = (carrier: NonNullable<TextPart['carrier']>, { newId, sealer }: AnswerTarget): string =>
  reasoningItem(`rs_${newId()}`, 'completed', {
    text: '',
    isSummary: true,
    state: sealer.seal({ ...carrier, of: 'next' }),
  })

/** Texts and refusals that follow each other are one message. */
function addContent(part: TextPart | RefusalPart, output: Output): void {
  if (part.kind === 'refusal') {
    output.content.push(refusalContent(part.text))
    return
  }
  const { text, carrier, phase, citations = [] } = part
  if (text === '' && carrier === undefined) return
  if (output.content.length > 0 && (carrier !== undefined || phase !== output.phase)) {
    closeMessage(output, 'completed')
  }
  if (carrier !== undefined) output.items.push(holder(carrier, output.target))
  const annotations = citations.map((citation) => annotationOf(citation, text.length))
  output.content.push(textContent(text, annotations, output.logprobs))
  output.phase = phase
  // They are told of the whole answer; the first text gets them.
  output.logprobs = '[]'
}

function closeMessage(output: Output, status: ItemStatus): void {
  const { content, phase, items, target } = output
  if (content.length === 0) return
  items.push(messageItem(`msg_${target.newId()}`, status, phase, content))
  output.content = []
  output.phase = undefined
}
