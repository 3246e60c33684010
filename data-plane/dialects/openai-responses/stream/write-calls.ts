/**
 * What a stream says of a thought or a call, each an item of its own: opening, deltas, end.
 *
 * Pure.
 */
import { unwrapText } from '../../repair/custom-tools.ts'
import {
  callItem,
  reasoningItem,
  stateOf,
  summaryContent,
  thoughtContent,
  type Call,
} from '../items/write-output.ts'
import {
  added,
  addHolder,
  closeMessage,
  done,
  frame,
  type CallPart,
  type ThoughtPart,
  type Writing,
} from './write-parts.ts'

// Reasoning

export const thoughtPart = (isSummary: boolean): ThoughtPart => ({
  kind: 'reasoning',
  isSummary,
  item: null,
  text: '',
  carrier: null,
})

function openThought(part: ThoughtPart, writing: Writing): Readonly<{ id: string; place: number }> {
  if (part.item !== null) return part.item
  closeMessage('completed', writing)
  const item = { id: `rs_${writing.target.newId()}`, place: writing.nextPlace++ }
  part.item = item
  const nothing = { text: '', isSummary: part.isSummary, state: null }
  added(item.place, reasoningItem(item.id, 'in_progress', nothing), writing)
  return item
}

export function think(part: ThoughtPart, text: string, writing: Writing): void {
  if (text === '') return
  const item = openThought(part, writing)
  const [index, kind] = part.isSummary ? ['summary_index', 'summary_text'] : ['content_index', 'text']
  const place = `"item_id":"${item.id}","output_index":${item.place},"${index}":0`
  if (part.text === '') {
    const empty = part.isSummary ? summaryContent('') : thoughtContent('')
    const type = part.isSummary ? 'reasoning_summary_part' : 'content_part'
    frame(`response.${type}.added`, `${place},"part":${empty}`, writing)
  }
  part.text += text
  frame(`response.reasoning_${kind}.delta`, `${place},"delta":${JSON.stringify(text)}`, writing)
}

export function endThought(part: ThoughtPart, writing: Writing): void {
  if (part.item === null && part.carrier === null) return
  const item = openThought(part, writing)
  const { text, isSummary, carrier } = part
  if (text !== '') {
    const place = `"item_id":"${item.id}","output_index":${item.place}`
    const whole = JSON.stringify(text)
    if (isSummary) {
      const at = `${place},"summary_index":0`
      frame('response.reasoning_summary_text.done', `${at},"text":${whole}`, writing)
      frame('response.reasoning_summary_part.done', `${at},"part":${summaryContent(text)}`, writing)
    } else {
      const at = `${place},"content_index":0`
      frame('response.reasoning_text.done', `${at},"text":${whole}`, writing)
      frame('response.content_part.done', `${at},"part":${thoughtContent(text)}`, writing)
    }
  }
  const state = carrier === null ? null : stateOf(carrier, text, writing.target.sealer)
  done(item.place, reasoningItem(item.id, 'completed', { text, isSummary, state }), writing)
}

// Calls

export const callPart = (call: Call, customTools: ReadonlySet<string>): CallPart => {
  const isWrapped = !call.isCustom && customTools.has(call.name)
  return {
    kind: 'tool-call',
    call: isWrapped ? { ...call, isCustom: true } : call,
    isWrapped,
    item: null,
    args: '',
    carrier: null,
  }
}

function openCall(part: CallPart, writing: Writing): Readonly<{ id: string; place: number }> {
  if (part.item !== null) return part.item
  if (part.carrier !== null) {
    addHolder(part.carrier, 'next', writing)
    part.carrier = null
  }
  closeMessage('completed', writing)
  const prefix = part.call.isCustom ? 'ctc' : 'fc'
  const item = { id: `${prefix}_${writing.target.newId()}`, place: writing.nextPlace++ }
  part.item = item
  added(item.place, callItem(item.id, 'in_progress', part.call, ''), writing)
  return item
}

export function argue(part: CallPart, text: string, writing: Writing): void {
  if (text === '') return
  part.args += text
  if (!part.isWrapped) tellArgs(part, text, writing)
}

function tellArgs(part: CallPart, text: string, writing: Writing): void {
  const { id, place } = openCall(part, writing)
  const type = part.call.isCustom ? 'custom_tool_call_input' : 'function_call_arguments'
  const members = `"item_id":"${id}","output_index":${place},"delta":${JSON.stringify(text)}`
  frame(`response.${type}.delta`, members, writing)
}

export function endCall(part: CallPart, writing: Writing): void {
  const { id, place } = openCall(part, writing)
  const { call, isWrapped } = part
  const args = isWrapped ? unwrapText(part.args) : part.args === '' && !call.isCustom ? '{}' : part.args
  if (isWrapped || part.args === '') {
    if (args !== '') tellArgs(part, args, writing)
  }
  const at = `"item_id":"${id}","output_index":${place}`
  const whole = JSON.stringify(args)
  if (call.isCustom) frame('response.custom_tool_call_input.done', `${at},"input":${whole}`, writing)
  else {
    const name = JSON.stringify(call.name)
    frame('response.function_call_arguments.done', `${at},"name":${name},"arguments":${whole}`, writing)
  }
  done(place, callItem(id, 'completed', call, args), writing)
  if (part.carrier !== null) addHolder(part.carrier, 'previous', writing)
}
