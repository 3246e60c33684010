/**
 * Answers as providers write them, in each dialect, by hand: thoughts with their opaque state, calls side by
 * side, text.
 */
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'
import type { Answer } from '../upstream.ts'

export type Call = Readonly<{ id: string; name: string; args: object }>

export type Said = Readonly<{
  /** Thought aloud, and the state that must come back. */
  thought?: Readonly<{ text: string; state: string }>
  text?: string | undefined
  calls?: readonly Call[]
  finish?: 'length' | 'filter'
}>

const USAGE = { input: 100, output: 50, thought: 20 } as const
const json = (value: unknown): string => JSON.stringify(value)
const frame = (value: object, event = ''): string =>
  `${event === '' ? '' : `event: ${event}\n`}data: ${json(value)}\n\n`

export function say(dialect: DialectName, said: Said, stream: boolean): Answer {
  return { text: stream ? STREAMS[dialect](said) : json(BODIES[dialect](said)), stream }
}

/** Longest piece of what is long, in characters. */
const PIECE = 50
/** Texts and arguments come in two pieces or more, as they do. */
const inPieces = (text: string): readonly string[] => [
  text.slice(0, 5),
  ...(text.length <= PIECE
    ? [text.slice(5)]
    : (text.slice(5).match(new RegExp(`.{1,${PIECE}}`, 'gs')) ?? [])),
]

// Chat, as OpenRouter and DeepSeek extend it.

const chatUsage = {
  prompt_tokens: USAGE.input,
  completion_tokens: USAGE.output,
  total_tokens: USAGE.input + USAGE.output,
  completion_tokens_details: { reasoning_tokens: USAGE.thought },
}
const chatFinish = ({ calls, finish }: Said): string =>
  calls !== undefined ? 'tool_calls' : finish === 'filter' ? 'content_filter' : (finish ?? 'stop')
const chatDetails = (state: string) => [
  { type: 'reasoning.encrypted', data: state, id: 'rd_1', format: 'openai-responses-v1', index: 0 },
]
const chatFrame = { id: 'chatcmpl-1', created: 1_790_000_000, model: 'model' }

function chatBody(said: Said): object {
  const { thought, text, calls } = said
  const message = {
    role: 'assistant',
    content: text ?? null,
    ...(thought && { reasoning_content: thought.text, reasoning_details: chatDetails(thought.state) }),
    ...(calls && { tool_calls: calls.map((call) => chatCall(call)) }),
  }
  const choices = [{ index: 0, message, finish_reason: chatFinish(said), logprobs: null }]
  return { ...chatFrame, object: 'chat.completion', choices, usage: chatUsage }
}

const chatCall = ({ id, name, args }: Call) => ({
  id,
  type: 'function',
  function: { name, arguments: json(args) },
})

function chatStream(said: Said): string {
  const { thought, text, calls = [] } = said
  const chunk = (delta: object, finish: string | null = null): string =>
    frame({
      ...chatFrame,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason: finish }],
    })
  const usage = { ...chatFrame, object: 'chat.completion.chunk', choices: [], usage: chatUsage }
  return [
    chunk({ role: 'assistant', content: '' }),
    ...(thought
      ? [chunk({ reasoning_content: thought.text }), chunk({ reasoning_details: chatDetails(thought.state) })]
      : []),
    ...(text === undefined ? [] : inPieces(text).map((content) => chunk({ content }))),
    ...calls.flatMap((call, index) => [
      chunk({ tool_calls: [{ index, ...chatCall(call), function: { name: call.name, arguments: '' } }] }),
      ...inPieces(json(call.args)).map((piece) =>
        chunk({ tool_calls: [{ index, function: { arguments: piece } }] }),
      ),
    ]),
    chunk({}, chatFinish(said)),
    frame(usage),
    'data: [DONE]\n\n',
  ].join('')
}

// Responses.

function responseItems({ thought, text, calls = [] }: Said): readonly Record<string, unknown>[] {
  const reasoning = thought && {
    id: 'rs_1',
    type: 'reasoning',
    summary: [{ type: 'summary_text', text: thought.text }],
    encrypted_content: thought.state,
  }
  const content = [{ type: 'output_text', text, annotations: [], logprobs: [] }]
  const message = { id: 'msg_1', type: 'message', role: 'assistant', status: 'completed', content }
  return [
    ...(reasoning ? [reasoning] : []),
    ...calls.map(({ id, name, args }, at) => ({
      id: `fc_${at}`,
      type: 'function_call',
      status: 'completed',
      call_id: id,
      name,
      arguments: json(args),
    })),
    ...(text === undefined ? [] : [message]),
  ]
}

function responseBody(said: Said): Record<string, unknown> {
  const reason = said.finish === 'length' ? 'max_output_tokens' : 'content_filter'
  return {
    id: 'resp_1',
    object: 'response',
    created_at: 1_790_000_000,
    status: said.finish === undefined ? 'completed' : 'incomplete',
    incomplete_details: said.finish === undefined ? null : { reason },
    error: null,
    model: 'model',
    output: responseItems(said),
    parallel_tool_calls: true,
    tool_choice: 'auto',
    tools: [],
    usage: {
      input_tokens: USAGE.input,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: USAGE.output,
      output_tokens_details: { reasoning_tokens: USAGE.thought },
      total_tokens: USAGE.input + USAGE.output,
    },
  }
}

function responseStream(said: Said): string {
  let sequence = 0
  const event = (type: string, members: object): string =>
    frame({ type, sequence_number: sequence++, ...members }, type)
  const whole = responseBody(said)
  const begun = { ...whole, status: 'in_progress', incomplete_details: null, output: [], usage: null }
  const frames = [
    event('response.created', { response: begun }),
    event('response.in_progress', { response: begun }),
  ]
  for (const [at, item] of responseItems(said).entries()) {
    const place = { item_id: item['id'], output_index: at }
    const { type } = item
    const empty =
      type === 'reasoning'
        ? { ...item, summary: [], encrypted_content: null }
        : type === 'message'
          ? { ...item, status: 'in_progress', content: [] }
          : { ...item, status: 'in_progress', arguments: '' }
    frames.push(event('response.output_item.added', { output_index: at, item: empty }))
    if (type === 'reasoning') frames.push(...summaryEvents(event, place, said.thought?.text ?? ''))
    else if (type === 'message') frames.push(...textEvents(event, place, said.text ?? ''))
    else frames.push(...argumentEvents(event, place, String(item['arguments'])))
    frames.push(event('response.output_item.done', { output_index: at, item }))
  }
  const end = said.finish === undefined ? 'response.completed' : 'response.incomplete'
  return [...frames, event(end, { response: whole })].join('')
}

type MakeEvent = (type: string, members: object) => string

function summaryEvents(event: MakeEvent, item: object, text: string): readonly string[] {
  const place = { ...item, summary_index: 0 }
  const part = { type: 'summary_text', text }
  return [
    event('response.reasoning_summary_part.added', { ...place, part: { ...part, text: '' } }),
    event('response.reasoning_summary_text.delta', { ...place, delta: text }),
    event('response.reasoning_summary_text.done', { ...place, text }),
    event('response.reasoning_summary_part.done', { ...place, part }),
  ]
}

function textEvents(event: MakeEvent, item: object, text: string): readonly string[] {
  const place = { ...item, content_index: 0 }
  const part = { type: 'output_text', text, annotations: [], logprobs: [] }
  return [
    event('response.content_part.added', { ...place, part: { ...part, text: '' } }),
    ...inPieces(text).map((delta) => event('response.output_text.delta', { ...place, delta, logprobs: [] })),
    event('response.output_text.done', { ...place, text, logprobs: [] }),
    event('response.content_part.done', { ...place, part }),
  ]
}

const argumentEvents = (event: MakeEvent, place: object, text: string): readonly string[] => [
  ...inPieces(text).map((delta) => event('response.function_call_arguments.delta', { ...place, delta })),
  event('response.function_call_arguments.done', { ...place, arguments: text }),
]

// Anthropic.

const messageUsage = {
  input_tokens: USAGE.input,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens: USAGE.output,
}
const messageFinish = ({ calls, finish }: Said): string =>
  calls !== undefined
    ? 'tool_use'
    : finish === 'length'
      ? 'max_tokens'
      : finish === 'filter'
        ? 'refusal'
        : 'end_turn'

function messageBlocks({ thought, text, calls = [] }: Said): readonly Record<string, unknown>[] {
  return [
    ...(thought ? [{ type: 'thinking', thinking: thought.text, signature: thought.state }] : []),
    ...(text === undefined ? [] : [{ type: 'text', text }]),
    ...calls.map(({ id, name, args }) => ({ type: 'tool_use', id, name, input: args })),
  ]
}

const messageBody = (said: Said): Record<string, unknown> => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'model',
  content: messageBlocks(said),
  stop_reason: messageFinish(said),
  stop_sequence: null,
  usage: messageUsage,
})

function messageStream(said: Said): string {
  const event = (type: string, members: object): string => frame({ type, ...members }, type)
  const begun = { ...messageBody(said), content: [], stop_reason: null }
  const frames = [event('message_start', { message: begun })]
  for (const [index, block] of messageBlocks(said).entries()) {
    const delta = (value: object): string => event('content_block_delta', { index, delta: value })
    const empty =
      block['type'] === 'thinking'
        ? { ...block, thinking: '', signature: '' }
        : block['type'] === 'text'
          ? { ...block, text: '' }
          : { ...block, input: {} }
    frames.push(event('content_block_start', { index, content_block: empty }))
    if (block['type'] === 'thinking')
      frames.push(
        delta({ type: 'thinking_delta', thinking: block['thinking'] }),
        delta({ type: 'signature_delta', signature: block['signature'] }),
      )
    else if (block['type'] === 'text')
      frames.push(...inPieces(String(block['text'])).map((text) => delta({ type: 'text_delta', text })))
    else
      frames.push(
        ...['', ...inPieces(json(block['input']))].map((piece) =>
          delta({ type: 'input_json_delta', partial_json: piece }),
        ),
      )
    frames.push(event('content_block_stop', { index }))
  }
  const delta = { stop_reason: messageFinish(said), stop_sequence: null }
  return [...frames, event('message_delta', { delta, usage: messageUsage }), event('message_stop', {})].join(
    '',
  )
}

// Gemini.

const geminiUsage = {
  promptTokenCount: USAGE.input,
  candidatesTokenCount: USAGE.output - USAGE.thought,
  thoughtsTokenCount: USAGE.thought,
  totalTokenCount: USAGE.input + USAGE.output,
}

function geminiParts({ thought, text, calls = [] }: Said): readonly object[] {
  const signed = (index: number): object =>
    thought && index === 0 ? { thoughtSignature: thought.state } : {}
  return [
    ...(thought ? [{ text: thought.text, thought: true }] : []),
    ...(text === undefined ? [] : [{ text }]),
    ...calls.map(({ id, name, args }, at) => ({ functionCall: { id, name, args }, ...signed(at) })),
  ]
}

function geminiChunk(parts: readonly object[], finish: string | null): object {
  const candidate = { content: { role: 'model', parts }, index: 0, ...(finish && { finishReason: finish }) }
  return {
    candidates: [candidate],
    usageMetadata: geminiUsage,
    modelVersion: 'model',
    responseId: 'response-1',
  }
}

const geminiFinish = ({ finish }: Said): string =>
  finish === 'length' ? 'MAX_TOKENS' : finish === 'filter' ? 'SAFETY' : 'STOP'

function geminiStream(said: Said): string {
  const pieces = said.text === undefined ? [] : inPieces(said.text).map((text) => ({ text }))
  const chunks = [
    ...[...geminiParts({ ...said, text: undefined }), ...pieces].map((part) => geminiChunk([part], null)),
    geminiChunk([{ text: '' }], geminiFinish(said)),
  ]
  return chunks.map((chunk) => `data: ${json(chunk)}\r\n\r\n`).join('')
}

const BODIES: Readonly<Record<DialectName, (said: Said) => object>> = {
  'openai-chat': chatBody,
  'openai-responses': responseBody,
  anthropic: messageBody,
  gemini: (said) => geminiChunk(geminiParts(said), geminiFinish(said)),
}

const STREAMS: Readonly<Record<DialectName, (said: Said) => string>> = {
  'openai-chat': chatStream,
  'openai-responses': responseStream,
  anthropic: messageStream,
  gemini: geminiStream,
}
