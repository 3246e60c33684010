/**
 * Requests, answers and streams in the form in the middle, at random: conversations that make sense (every
 * call answered, ids used once), with texts, arguments and state that do not.
 *
 * State (`carrier`) is of the dialect that is asked for, as its own reader would have found it.
 */
import * as fc from 'fast-check'
import type { Carrier, Sealer } from '#data-plane/dialects/canonical/carrier.ts'
import { isObject, parseJson, type JsonObject } from '#data-plane/dialects/canonical/json.ts'
import type { AnswerPart, CanonicalReply, Finish, Usage } from '#data-plane/dialects/canonical/reply.ts'
import {
  EFFORTS,
  type CanonicalRequest,
  type DialectName,
  type MediaPart,
  type Params,
  type Part,
  type ReasoningPart,
  type TextPart,
  type Tool,
  type ToolCallPart,
  type ToolResultPart,
  type Turn,
} from '#data-plane/dialects/canonical/request.ts'
import type { StreamEvent } from '#data-plane/dialects/canonical/stream.ts'
import { json } from './json.ts'

/** Seals so that everybody can read it: tests look inside. */
export const openSealer: Sealer = {
  seal: (carrier) => `apx1.k1.${Buffer.from(JSON.stringify(carrier)).toString('base64url')}`,
  open: (text) => {
    const [version, key, sealed = ''] = text.split('.')
    if (version !== 'apx1' || key !== 'k1') return null
    const value = parseJson(Buffer.from(sealed, 'base64url').toString())
    return isObject(value) ? (value as unknown as Carrier) : null
  },
}

/** Text with something to see in it, and with whatever breaks a careless writer. */
const words: fc.Arbitrary<string> = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }),
    fc.constantFrom(
      'data: [DONE]\n\n',
      'a\r\nb',
      '"\\',
      '\u2028',
      '🎉 grüße',
      '</script>',
      'event: x\ndata: {}',
    ),
  )
  .filter((text) => text.trim() !== '')

const token = (prefix: string): fc.Arbitrary<string> =>
  fc
    .string({ unit: fc.constantFrom(...'abcXYZ019_-'), minLength: 1, maxLength: 20 })
    .map((rest) => prefix + rest)

const base64 = fc
  .uint8Array({ minLength: 1, maxLength: 24 })
  .map((bytes) => Buffer.from(bytes).toString('base64'))

const jsonObject: fc.Arbitrary<JsonObject> = fc
  .dictionary(token(''), json, { maxKeys: 3 })
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject)

const cache = fc.constantFrom({ ttl: null }, { ttl: 'short' as const }, { ttl: 'long' as const })

const CARRIER_FORM = {
  'openai-chat': 'encrypted',
  'openai-responses': 'encrypted',
  anthropic: 'signature',
  gemini: 'thought',
} as const satisfies Readonly<Record<DialectName, string>>

const carrierOf = (dialect: DialectName): fc.Arbitrary<Carrier> =>
  base64.map((data) => ({ dialect, provider: null, data, form: CARRIER_FORM[dialect], of: 'own' }))

const textPart: fc.Arbitrary<TextPart> = words.map((text) => ({ kind: 'text', text }))

const image: fc.Arbitrary<MediaPart> = fc.oneof(
  fc.record({
    kind: fc.constant('media' as const),
    media: fc.constant('image' as const),
    source: base64.map((data) => ({ kind: 'base64' as const, data })),
    mimeType: fc.constantFrom('image/png', 'image/jpeg', 'image/webp'),
  }),
  fc.record({
    kind: fc.constant('media' as const),
    media: fc.constant('image' as const),
    source: fc.webUrl().map((url) => ({ kind: 'url' as const, url })),
  }),
)

const pdf: fc.Arbitrary<MediaPart> = base64.map((data) => ({
  kind: 'media',
  media: 'document',
  source: { kind: 'base64', data },
  mimeType: 'application/pdf',
}))

const reasoningPart = (dialect: DialectName): fc.Arbitrary<ReasoningPart> =>
  fc.tuple(fc.oneof(words, fc.constant('')), carrierOf(dialect)).map(([text, carrier]) => ({
    kind: 'reasoning',
    text,
    isSummary: dialect === 'openai-responses',
    carrier,
  }))

const callPart: fc.Arbitrary<ToolCallPart> = fc.record({
  kind: fc.constant('tool-call' as const),
  id: fc.constant(''),
  name: token('tool_'),
  args: jsonObject.map((value) => JSON.stringify(value)),
  isCustom: fc.constant(false),
})

const resultFor = (call: ToolCallPart): fc.Arbitrary<ToolResultPart> =>
  fc
    .record({ content: fc.array(textPart, { minLength: 1, maxLength: 2 }), isError: fc.boolean() })
    .map((given) => ({ kind: 'tool-result', callId: call.id, name: call.name, isCustom: false, ...given }))

/** What an assistant says, in the order in which models say it. */
const spoken = (dialect: DialectName): fc.Arbitrary<(TextPart | ReasoningPart | ToolCallPart)[]> =>
  fc
    .tuple(
      fc.array(reasoningPart(dialect), { maxLength: 1 }),
      fc.array(textPart, { maxLength: 1 }),
      fc.array(callPart, { maxLength: 3 }),
    )
    .map((parts) => parts.flat())
    .filter((parts) => parts.some(({ kind }) => kind !== 'reasoning'))

type Exchange = Readonly<{
  asked: readonly Part[]
  said: readonly Part[]
  results: readonly ToolResultPart[]
}>

const exchange = (dialect: DialectName, number: number): fc.Arbitrary<Exchange> =>
  fc
    .tuple(
      fc.array(fc.oneof(textPart, textPart, image, pdf), { minLength: 1, maxLength: 3 }),
      spoken(dialect),
    )
    .chain(([asked, bare]) => {
      const said = bare.map((part, index) =>
        part.kind === 'tool-call' ? { ...part, id: `call_${number}_${index}` } : part,
      )
      const calls = said.filter((part) => part.kind === 'tool-call')
      return fc.tuple(...calls.map(resultFor)).map((results) => ({ asked, said, results }))
    })

/** Ends with a user turn; results stand first in theirs, as all formats agree to read them. */
const turnsOf = (dialect: DialectName): fc.Arbitrary<Turn[]> =>
  fc
    .tuple(
      exchange(dialect, 0),
      fc.option(exchange(dialect, 1), { nil: null }),
      fc.array(textPart, { minLength: 1, maxLength: 2 }),
    )
    .map(([first, second, last]) => {
      const turns: Turn[] = [{ role: 'user', parts: first.asked }]
      let before = first
      if (second !== null) {
        turns.push({ role: 'assistant', parts: first.said })
        turns.push({ role: 'user', parts: [...first.results, ...second.asked] })
        before = second
      }
      turns.push(
        { role: 'assistant', parts: before.said },
        { role: 'user', parts: [...before.results, ...last] },
      )
      return turns
    })

const tool: fc.Arbitrary<Tool> = fc.record(
  {
    kind: fc.constant('function' as const),
    name: token('tool_'),
    description: words,
    parameters: fc
      .dictionary(token(''), fc.constant({ type: 'string' }), { maxKeys: 2 })
      .map((properties) => ({
        type: 'object',
        properties: { ...properties },
      })),
    strict: fc.boolean(),
    cache,
  },
  { requiredKeys: ['kind', 'name', 'parameters'] },
)

/** What every dialect has a place for stands beside what only one has. */
const params: fc.Arbitrary<Params> = fc.record(
  {
    maxTokens: fc.integer({ min: 2_000, max: 60_000 }),
    temperature: fc.double({ min: 0, max: 1, noNaN: true }),
    topP: fc.double({ min: 0, max: 1, noNaN: true }),
    topK: fc.integer({ min: 1, max: 100 }),
    stop: fc.uniqueArray(words, { minLength: 1, maxLength: 4 }),
    endUser: token('user_'),
    cacheKey: token('key_'),
    seed: fc.integer(),
    verbosity: fc.constantFrom('low', 'medium', 'high'),
    serviceTier: fc.constantFrom('auto', 'default', 'flex', 'priority'),
  },
  { requiredKeys: [] },
)

/** A request that says nothing yet. */
export const blankRequest = (dialect: DialectName): CanonicalRequest => ({
  dialect,
  model: 'model-1',
  stream: false,
  system: [],
  turns: [{ role: 'user', parts: [{ kind: 'text', text: 'Hello' }] }],
  tools: [],
  params: {},
  extras: [],
  telling: { usageChunk: true, legacyFunctions: false, framing: 'sse', reasoning: true },
  source: {},
})

/** A request as the dialect's own reader would have made it, without fields of other dialects. */
export const requests = (dialect: DialectName): fc.Arbitrary<CanonicalRequest> =>
  fc
    .record(
      {
        stream: fc.boolean(),
        system: fc.array(words, { maxLength: 2 }),
        turns: turnsOf(dialect),
        tools: fc.uniqueArray(tool, {
          maxLength: 3,
          selector: (one) => (one.kind === 'function' ? one.name : ''),
        }),
        toolChoice: fc.constantFrom('auto' as const, 'none' as const, 'required' as const),
        parallelTools: fc.boolean(),
        params,
        format: fc.constant({
          kind: 'schema' as const,
          name: 'answer',
          schema: {
            type: 'object',
            properties: { a: { type: 'string' } },
            additionalProperties: false,
            required: ['a'],
          },
          strict: true,
        }),
        reasoning: fc.constantFrom(...EFFORTS).map((effort) => ({ effort })),
      },
      { requiredKeys: ['stream', 'system', 'turns', 'tools', 'params'] },
    )
    .map(({ system, toolChoice, parallelTools, ...given }) => ({
      ...blankRequest(dialect),
      system: system.map((text) => ({ text, role: 'system' })),
      ...given,
      ...(given.tools.length === 0 || toolChoice === undefined ? {} : { toolChoice: { kind: toolChoice } }),
      ...(given.tools.length === 0 || parallelTools === undefined ? {} : { parallelTools }),
    }))

const usage: fc.Arbitrary<Usage> = fc
  .record({
    fresh: fc.nat(10_000),
    cacheRead: fc.nat(10_000),
    cacheWrite: fc.nat(10_000),
    said: fc.nat(10_000),
    reasoning: fc.nat(10_000),
  })
  .map(({ fresh, cacheRead, cacheWrite, said, reasoning }) => ({
    input: fresh + cacheRead + cacheWrite,
    output: said + reasoning,
    cacheRead,
    cacheWrite,
    cacheWriteLong: 0,
    reasoning,
    inputAudio: 0,
    outputAudio: 0,
    native: {},
  }))

const finishOf = (parts: readonly AnswerPart[]): fc.Arbitrary<Finish> =>
  parts.some(({ kind }) => kind === 'tool-call')
    ? fc.constant({ kind: 'tool-calls' })
    : fc.constantFrom<Finish>({ kind: 'stop' }, { kind: 'length' }, { kind: 'content-filter' })

/** An answer with one candidate, said in the dialect. */
export const replies = (dialect: DialectName): fc.Arbitrary<CanonicalReply> =>
  spoken(dialect)
    .map((parts) =>
      parts.map((part, index) => (part.kind === 'tool-call' ? { ...part, id: `call_${index}` } : part)),
    )
    .chain((parts) => fc.tuple(fc.constant(parts), usage, finishOf(parts)))
    .map(([parts, spent, finish]) => ({
      dialect,
      id: 'id_1',
      model: 'model-1',
      created: null,
      candidates: [{ index: 0, parts, finish, logprobs: null }],
      usage: spent,
      serviceTier: null,
    }))

/**
 * The events a reader would have made of the same answer.
 *
 * @param piece characters told at once.
 */
export function eventsOf(reply: CanonicalReply, piece: number): StreamEvent[] {
  const events: StreamEvent[] = [
    { kind: 'start', id: reply.id, model: reply.model, serviceTier: reply.serviceTier, usage: null },
  ]
  let index = 0
  for (const candidate of reply.candidates) {
    for (const part of candidate.parts) events.push(...eventsOfPart(part, index++, candidate.index, piece))
  }
  for (const { index: candidate, finish } of reply.candidates)
    events.push({ kind: 'finish', candidate, finish })
  if (reply.usage !== null) events.push({ kind: 'usage', usage: reply.usage })
  return events
}

function eventsOfPart(part: AnswerPart, index: number, candidate: number, piece: number): StreamEvent[] {
  const between: StreamEvent[] = []
  if (part.kind === 'tool-call') {
    for (const text of cut(part.args, piece)) between.push({ kind: 'args', index, text })
  } else if (part.kind === 'text' || part.kind === 'refusal' || part.kind === 'reasoning') {
    for (const text of cut(part.text, piece)) between.push({ kind: part.kind, index, text })
  }
  if (part.kind === 'text') {
    for (const citation of part.citations ?? []) between.push({ kind: 'citation', index, citation })
  }
  const carrier = 'carrier' in part ? part.carrier : undefined
  if (carrier !== undefined) between.push({ kind: 'carrier', index, carrier })
  return [
    { kind: 'part-start', index, candidate, part: startOf(part) },
    ...between,
    { kind: 'part-end', index },
  ]
}

type Started = Extract<StreamEvent, { kind: 'part-start' }>['part']

function startOf(part: AnswerPart): Started {
  switch (part.kind) {
    case 'text':
      return part.phase === undefined ? { kind: 'text' } : { kind: 'text', phase: part.phase }
    case 'refusal':
      return { kind: 'refusal' }
    case 'reasoning':
      return { kind: 'reasoning', isSummary: part.isSummary }
    case 'tool-call':
      return { kind: 'tool-call', id: part.id, name: part.name, isCustom: part.isCustom }
    case 'media':
    case 'native':
      return part
  }
}

/** By code points: readers never see half a character. */
function cut(text: string, piece: number): string[] {
  const points = [...text]
  return Array.from({ length: Math.ceil(points.length / piece) }, (_value, index) =>
    points.slice(index * piece, (index + 1) * piece).join(''),
  )
}
