/**
 * Anthropic's event streams as the official SDK takes them: put together to a message, and what in them it
 * would throw at or lose (each rule was seen in a run of the SDK's own parser).
 */
import {
  isArray,
  objectOf,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '#data-plane/dialects/canonical/json.ts'
import { eventsOf } from './recordings.ts'

type Block = { value: JsonObject; json: string }

const textOf = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '')

/** @returns the message that the SDK's accumulator would hand out. */
export function assembled(stream: string): JsonObject {
  let message: JsonObject = {}
  let usage: JsonObject = {}
  const blocks: Block[] = []
  for (const { data } of eventsOf(stream)) {
    const event = JSON.parse(data) as JsonObject
    const block = blocks[Number(event['index'])]
    const delta = objectOf(event['delta'])
    switch (event['type']) {
      case 'message_start':
        message = objectOf(event['message'])
        usage = objectOf(message['usage'])
        break
      case 'content_block_start':
        blocks[Number(event['index'])] = { value: objectOf(event['content_block']), json: '' }
        break
      case 'content_block_delta':
        if (block === undefined) throw new Error('a delta without a block')
        grow(block, delta)
        break
      case 'message_delta':
        message = { ...message, ...delta }
        usage = { ...usage, ...objectOf(event['usage']) }
        break
      default:
        break
    }
  }
  const content = blocks.map(({ value, json }) => (json === '' ? value : { ...value, input: parsed(json) }))
  return { ...message, content, usage }
}

/** Cut short, arguments stay a text; the SDK makes what it can of them. */
function parsed(json: string): JsonValue {
  try {
    return JSON.parse(json) as JsonValue
  } catch {
    return json
  }
}

function grow(block: Block, delta: JsonObject): void {
  const { value } = block
  const added = (key: string): JsonObject => ({ ...value, [key]: textOf(value[key]) + textOf(delta[key]) })
  switch (delta['type']) {
    case 'text_delta':
      block.value = added('text')
      break
    case 'thinking_delta':
      block.value = added('thinking')
      break
    case 'input_json_delta':
      block.json += textOf(delta['partial_json'])
      break
    case 'citations_delta': {
      const before = isArray(value['citations']) ? value['citations'] : []
      block.value = { ...value, citations: [...before, delta['citation'] ?? null] }
      break
    }
    default:
      block.value = { ...value, ...delta, type: value['type'] }
  }
}

/** Delta → the type of block it may stand in. */
const BELONGS: Readonly<Record<string, string>> = {
  text_delta: 'text',
  citations_delta: 'text',
  thinking_delta: 'thinking',
  signature_delta: 'thinking',
  input_json_delta: 'tool_use',
}

/** @returns what is wrong with a whole stream that ends well; empty for a good one. */
export function defectsOf(stream: string): string[] {
  const defects: string[] = []
  if (!stream.endsWith('\n\n')) defects.push('the last event has no blank line')
  if (/^data: ?\[DONE\]/m.test(stream)) return ['[DONE]']
  const events = eventsOf(stream)
  const types = events.map(({ data }) => stringOf((JSON.parse(data) as JsonObject)['type']) ?? '')
  events.forEach(({ event }, index) => {
    if (event !== types[index]) defects.push(`event line '${event}' over ${types[index]}`)
  })
  if (types.filter((type) => type === 'message_start').length !== 1) defects.push('not one message_start')
  if (types.find((type) => type !== 'ping') !== 'message_start') defects.push('message_start is not first')
  if (types.at(-1) !== 'message_stop') defects.push('message_stop is not last')
  if (types.filter((type) => type === 'message_delta').length !== 1) defects.push('not one message_delta')
  for (const { data } of events) defects.push(...memberDefects(JSON.parse(data) as JsonObject))
  return [...defects, ...blockDefects(events.map(({ data }) => JSON.parse(data) as JsonObject))]
}

function memberDefects(event: JsonObject): string[] {
  if (event['type'] === 'message_start') {
    const usage = objectOf(objectOf(event['message'])['usage'])
    return typeof usage['input_tokens'] === 'number' ? [] : ['message_start without usage']
  }
  if (event['type'] !== 'message_delta') return []
  const counted = ['input_tokens', 'cache_read_input_tokens', 'output_tokens']
  return [
    ...counted
      .filter((name) => typeof objectOf(event['usage'])[name] !== 'number')
      .map((name) => `no ${name}`),
    ...(typeof objectOf(event['delta'])['stop_reason'] === 'string' ? [] : ['no stop_reason']),
  ]
}

/** Never JSON, however much followed. What is only cut short is taken. */
function isBroken(json: string): boolean {
  try {
    JSON.parse(json === '' ? '{}' : json)
    return false
  } catch (error) {
    const { message } = error as SyntaxError
    const place = /position (\d+)/.exec(message)?.[1]
    return !message.startsWith('Unexpected end') && Number(place) !== json.length
  }
}

/** Blocks come one after the other, numbered without gaps, each opened and closed once. */
function blockDefects(events: readonly JsonObject[]): string[] {
  const defects: string[] = []
  let next = 0
  let open: { type: string; json: string } | null = null
  for (const event of events) {
    const delta = objectOf(event['delta'])
    switch (event['type']) {
      case 'content_block_start':
        if (open !== null) defects.push('a block opened in another')
        if (event['index'] !== next)
          defects.push(`block ${JSON.stringify(event['index'])} instead of ${next}`)
        open = { type: textOf(objectOf(event['content_block'])['type']), json: '' }
        break
      case 'content_block_delta': {
        const belongs = BELONGS[textOf(delta['type'])]
        if (open === null || event['index'] !== next) defects.push('a delta outside its block')
        else if (belongs !== open.type) defects.push(`${textOf(delta['type'])} in ${open.type}`)
        else open.json += textOf(delta['partial_json'])
        break
      }
      case 'content_block_stop':
        if (open === null || event['index'] !== next) defects.push('a block closed that is not open')
        if (open !== null && isBroken(open.json)) defects.push('broken arguments')
        open = null
        next++
        break
      case 'message_delta':
        if (open !== null) defects.push('a block that is not closed')
        break
      default:
        break
    }
  }
  return defects
}
