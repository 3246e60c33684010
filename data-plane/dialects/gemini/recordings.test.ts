/**
 * Every recorded Gemini request, answer and stream through our reader and writer, without loss.
 */
import { describe, expect, it } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { eventsOf, hasRecordings, recordingsOf } from '#test/conformance/recordings.ts'
import { arrayOf, objectOf, parseJson, stringOf, type JsonObject } from '../canonical/json.ts'
import { gemini } from '../gemini.ts'
import { answerTarget, origin, readContext } from '#test/conformance/contexts.ts'
import { gather, readStream } from '#test/conformance/gather.ts'
import { standardBase64 } from '../repair/media.ts'
import { camelled } from './terms.ts'

const all = recordingsOf('gemini')
const requests = all.filter(({ request }) => request !== null)
const answers = all.filter(({ body, status }) => body !== null && status === 200)
const streams = all.filter(({ stream, status }) => stream !== null && status === 200)

const textOf = (part: JsonObject): string => stringOf(part['text']) ?? ''

const modelIn = (path: string): string => /models\/([^:]+):/.exec(path)?.[1] ?? 'gemini-3-flash-preview'

/** Both spellings are one, wrapped texts of results are one, and what only says the default is left out. */
function normal(value: unknown, key = ''): unknown {
  if (key === 'data' && typeof value === 'string') return standardBase64(value)
  if (Array.isArray(value)) return value.map((one) => normal(one))
  if (typeof value !== 'object' || value === null) return value
  if (['args', 'parametersJsonSchema', 'parameters'].includes(key)) return value
  const object = camelled(value)
  return Object.fromEntries(
    Object.entries(object)
      .filter(([name, member]) => name !== '$schema' && (member !== '' || name !== 'description'))
      .map(([name, member]) => [name, normal(member, name)]),
  )
}

/** The SDK keeps a streamed answer as a content for each chunk; its texts are one. */
function partsOf(body: JsonObject): JsonObject[] {
  const parts: JsonObject[] = []
  let before: unknown
  for (const content of arrayOf(body['contents'])) {
    const { role, parts: said } = objectOf(content)
    for (const [index, part] of arrayOf(said).entries()) {
      const last = parts.at(-1)
      const next = normal(part) as JsonObject
      const isNext = index === 0 && role === 'model' && before === 'model'
      const isText = typeof last?.['text'] === 'string' && typeof next['text'] === 'string'
      if (isNext && isText && last !== undefined) {
        parts[parts.length - 1] = { ...next, text: textOf(last) + textOf(next) }
      } else parts.push(next)
    }
    before = role
  }
  return parts
}

/** What its client never answered: Gemini let it pass then, and would not after a signed call. */
const UNANSWERED = new Map([
  [
    'replays-js-genai/Chats_Tests_chats_function_calling_Google_AI_with_function_calling_stream.1',
    ['turns[1].parts[0]:synthesised'],
  ],
])

describe.runIf(hasRecordings)('recorded Gemini traffic', () => {
  it('is there', () => {
    expect(requests.length).toBeGreaterThan(50)
    expect(answers.length).toBeGreaterThan(30)
    expect(streams.length).toBeGreaterThan(8)
  })

  it.each(requests.map((one) => [one.id, one] as const))('request %s comes back the same', (_id, one) => {
    const model = modelIn(one.path)
    const read = gemini.readRequest(one.request ?? {}, readContext({ model }))
    if (!read.ok) throw new Error(JSON.stringify(read.error))
    const written = gemini.writeRequest(read.value, {
      model,
      provider: 'google',
      stream: false,
      // What was recorded was taken by the model, whatever our catalog says.
      capabilities: { ...capabilitiesOf('gemini', 'x', model, {}), signedCalls: false, thinking: 'budget' },
    })
    const before = objectOf(one.request)
    const after = objectOf(parseJson(written.body))
    const unanswered = UNANSWERED.get(one.id)
    expect(written.losses.map(({ at, reason }) => `${at}:${reason}`)).toEqual(unanswered ?? [])
    const { contents: _, tools: __, ...rest } = normal(before) as JsonObject
    const { contents: ___, tools: ____, ...written2 } = normal(after) as JsonObject
    expect(written2).toEqual(withoutDefaults(rest))
    expect(declarationsOf(after)).toEqual(declarationsOf(before))
    if (unanswered === undefined)
      expect(partsOf(after).map(bare)).toEqual(partsOf(before).filter(isSaid).map(bare))
  })

  it.each(answers.map((one) => [one.id, one] as const))('answer %s comes back the same', (_id, one) => {
    const body = objectOf(one.body)
    const read = gemini.readReply(body, origin('google'))
    if (!read.ok) throw new Error(read.error)
    const written = objectOf(parseJson(gemini.writeReply(read.value, answerTarget())))
    const told = (value: JsonObject) =>
      arrayOf(value['candidates']).map((candidate) => {
        const { content, finishReason } = objectOf(candidate)
        return { finishReason, parts: arrayOf(objectOf(content)['parts']).map(anonymous) }
      })
    if (body['candidates'] !== undefined) expect(told(written)).toEqual(told(body).map(filled))
    if (read.value.usage !== null) expect(written['usageMetadata']).toEqual(body['usageMetadata'])
    const { model, usage } = read.value
    expect(model).toBe(stringOf(body['modelVersion'])?.replace(/^models\//, ''))
    const counts = objectOf(body['usageMetadata'])
    if (usage !== null) expect(usage.input + usage.output).toBe(counts['totalTokenCount'])
  })

  it.each(streams.map((one) => [one.id, one] as const))('stream %s is told whole', (_id, one) => {
    const events = eventsOf(one.stream ?? '')
    const chunks = events.map(({ data }) => objectOf(parseJson(data)))
    const { reply, problem } = gather(readStream(gemini.openReader(origin('google')), events), 'gemini')
    expect(problem).toBeNull()
    const [candidate] = reply.candidates
    const heard = candidate?.parts ?? []
    const parts = chunks.flatMap((chunk) =>
      arrayOf(objectOf(objectOf(arrayOf(chunk['candidates'])[0])['content'])['parts']).map(objectOf),
    )
    const text = (isThought: boolean): string =>
      parts
        .filter((part) => (part['thought'] === true) === isThought)
        .map((part) => (typeof part['text'] === 'string' ? part['text'] : ''))
        .join('')
    const said = (kind: 'text' | 'reasoning'): string =>
      heard.map((part) => (part.kind === kind ? part.text : '')).join('')
    expect(said('text')).toBe(text(false))
    expect(said('reasoning')).toBe(text(true))
    const names = parts.flatMap((part) => objectOf(part['functionCall'])['name'] ?? [])
    const calls = heard.filter((part) => part.kind === 'tool-call')
    expect(calls.map(({ name }) => name)).toEqual(names)
    for (const { args } of calls) expect(parseJson(args), args).toBeTypeOf('object')
    const signatures = parts.flatMap((part) => part['thoughtSignature'] ?? [])
    const kept = heard.flatMap((part) =>
      'carrier' in part && part.carrier !== undefined ? [part.carrier.data] : [],
    )
    const native = heard.flatMap((part) =>
      part.kind === 'native' ? (part.value['thoughtSignature'] ?? []) : [],
    )
    expect(new Set([...kept, ...native])).toEqual(new Set(signatures))
    const counts = objectOf(chunks.findLast((chunk) => readsTokens(chunk))?.['usageMetadata'])
    expect((reply.usage?.input ?? 0) + (reply.usage?.output ?? 0)).toBe(counts['totalTokenCount'])
    const reason = chunks.flatMap((chunk) => objectOf(arrayOf(chunk['candidates'])[0])['finishReason'] ?? [])
    const ended = reason.at(-1) === 'MAX_TOKENS' ? 'length' : calls.length > 0 ? 'tool-calls' : 'stop'
    expect(candidate?.finish.kind).toBe(ended)
  })
})

const readsTokens = (chunk: JsonObject): boolean =>
  objectOf(chunk['usageMetadata'])['totalTokenCount'] !== undefined

/** Ids and the wrapping of plain results are ours. */
function bare(part: JsonObject): JsonObject {
  const { functionCall, functionResponse, ...rest } = part
  if (functionCall !== undefined) {
    const { id: _, ...call } = objectOf(functionCall)
    return { ...rest, functionCall: call }
  }
  if (functionResponse === undefined) return part
  const { id: _, response, ...result } = objectOf(functionResponse)
  const entries = Object.entries(objectOf(response))
  const [[key, only] = ['', null]] = entries
  const isPlain = entries.length === 1 && typeof only === 'string' && key !== 'error'
  return { ...rest, functionResponse: { ...result, response: isPlain ? { output: only } : response } }
}

/** Gemini refuses empty texts. */
const isSaid = (part: JsonObject): boolean => part['text'] !== ''

function anonymous(value: unknown): JsonObject {
  const part = objectOf(value)
  if (part['functionCall'] === undefined) return part
  const { id: _, args = {}, ...call } = objectOf(part['functionCall'])
  return { ...part, functionCall: { ...call, args } }
}

const filled = (candidate: { finishReason: unknown; parts: JsonObject[] }) =>
  candidate.parts.length === 0 ? { ...candidate, parts: [{ text: '' }] } : candidate

function declarationsOf(body: JsonObject): unknown[] {
  const tools = body['tools']
  return (Array.isArray(tools) ? tools : tools === undefined ? [] : [tools]).flatMap((tool) => {
    const { functionDeclarations, ...others } = camelled(tool)
    const functions = arrayOf(functionDeclarations).map((one) => {
      const { name, description, parametersJsonSchema, parameters } = camelled(one)
      // Lower case and JSON Schema's words: see schema.test.ts.
      const schema = JSON.stringify(parametersJsonSchema ?? parameters ?? null).toLowerCase()
      return { name, description: description === '' ? undefined : description, schema: withoutDraft(schema) }
    })
    return [...functions, ...(Object.keys(others).length === 0 ? [] : [others])]
  })
}

const withoutDraft = (schema: string): unknown => {
  const { $schema: _, ...rest } = objectOf(parseJson(schema))
  return rest
}

function withoutDefaults(body: JsonObject): JsonObject {
  const { generationConfig, systemInstruction, ...rest } = body
  const config = objectOf(generationConfig)
  const { candidateCount, responseMimeType, ...settings } = config
  const kept = {
    ...settings,
    ...(candidateCount === 1 || candidateCount === undefined ? {} : { candidateCount }),
    ...(responseMimeType === 'text/plain' || responseMimeType === undefined ? {} : { responseMimeType }),
  }
  const { role: _, ...instruction } = objectOf(systemInstruction)
  return {
    ...(Object.keys(kept).length === 0 ? {} : { generationConfig: kept }),
    ...(systemInstruction === undefined ? {} : { systemInstruction: instruction }),
    ...rest,
  }
}
