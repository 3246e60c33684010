/**
 * Embeddings: OpenAI's `/v1/embeddings` and Gemini's `embedContent` and `batchEmbedContents`, each into the
 * other.
 *
 * Pure. OpenAI's SDK asks for base64 when its caller asks for nothing, so vectors are written in both forms.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import {
  arrayOf,
  isArray,
  isObject,
  numberOf,
  objectOf,
  stringOf,
  type JsonObject,
  type JsonValue,
} from './canonical/json.ts'
import { Losses } from './canonical/loss.ts'
import { estimateText } from './token-count.ts'

export type GeminiEmbedMethod = 'embedContent' | 'batchEmbedContents'

export type EmbeddingsRequest = Readonly<{
  inputs: readonly string[]
  dimensions?: number
  /** How the client wants its vectors. */
  encoding: 'float' | 'base64'
  /** What the other side cannot keep. */
  losses: Losses
}>

export type EmbeddingsReply = Readonly<{
  /** In the order of the inputs. */
  vectors: readonly (readonly number[])[]
  /** Tokens read; null: not told. */
  tokens: number | null
}>

/** An answer, and whether its tokens are our estimate. */
export type WrittenEmbeddings = Readonly<{ body: JsonObject; isEstimated: boolean }>

const refused = (param: string, message: string): Result<never, Problem> =>
  err({ code: 'invalid_value', param, message })

/** @returns a refusal for token ids: they mean nothing to another vendor's model. */
export function readOpenAiRequest(body: JsonObject): Result<EmbeddingsRequest, Problem> {
  const { input, dimensions, encoding_format: format } = body
  const list: readonly JsonValue[] = isArray(input) ? input : input === undefined ? [] : [input]
  if (list.length === 0) return refused('input', "'input' must not be empty.")
  const inputs = list.filter((text) => typeof text === 'string')
  if (inputs.length < list.length)
    return refused('input', 'The provider of this model takes texts only, not token ids.')
  if (format !== undefined && format !== null && format !== 'float' && format !== 'base64')
    return refused('encoding_format', "'encoding_format' must be 'float' or 'base64'.")
  const size = numberOf(dimensions)
  return ok({
    inputs,
    ...(size === undefined ? {} : { dimensions: size }),
    encoding: format === 'base64' ? 'base64' : 'float',
    losses: new Losses(),
  })
}

/** @returns a refusal for anything but text: OpenAI embeds nothing else. */
export function readGeminiRequest(
  body: JsonObject,
  method: GeminiEmbedMethod,
): Result<EmbeddingsRequest, Problem> {
  const requests = method === 'embedContent' ? [body] : arrayOf(body['requests'])
  if (requests.length === 0) return refused('requests', "'requests' must not be empty.")
  const losses = new Losses()
  const inputs: string[] = []
  const sizes = new Set<number | undefined>()
  for (const [index, value] of requests.entries()) {
    const request = objectOf(value)
    const at = method === 'embedContent' ? '' : `requests[${index}].`
    const text = textOf(request['content'])
    if (text === null) return refused(`${at}content`, 'The provider of this model takes texts only.')
    inputs.push(text)
    sizes.add(numberOf(request['outputDimensionality'] ?? request['output_dimensionality']))
    if ((request['taskType'] ?? request['task_type']) !== undefined) losses.warn('taskType', 'unsupported')
    if (request['title'] !== undefined) losses.warn('title', 'unsupported')
  }
  const [size, ...others] = sizes
  if (others.length > 0)
    return refused('requests', "All requests must have the same 'outputDimensionality' for this model.")
  return ok({ inputs, ...(size === undefined ? {} : { dimensions: size }), encoding: 'float', losses })
}

/** A content's texts are one input. */
function textOf(content: JsonValue | undefined): string | null {
  if (typeof content === 'string') return content
  const parts = arrayOf(objectOf(content)['parts'])
  const texts = parts.flatMap((part) => stringOf(objectOf(part)['text']) ?? [])
  return parts.length === 0 || texts.length < parts.length ? null : texts.join('')
}

/** @param model the upstream's name; Gemini repeats it in each request. */
export function writeGeminiRequest(
  { inputs, dimensions }: EmbeddingsRequest,
  model: string,
): { method: GeminiEmbedMethod; body: JsonObject } {
  const requests = inputs.map((text) => ({
    model: `models/${model.replace(/^models\//, '')}`,
    content: { parts: [{ text }] },
    ...(dimensions === undefined ? {} : { outputDimensionality: dimensions }),
  }))
  const [only] = requests
  return requests.length === 1 && only !== undefined
    ? { method: 'embedContent', body: only }
    : { method: 'batchEmbedContents', body: { requests } }
}

/** Numbers are asked for: the vectors are to be read. */
export const writeOpenAiRequest = ({ inputs, dimensions }: EmbeddingsRequest, model: string): JsonObject => ({
  model,
  ...(dimensions === undefined ? {} : { dimensions }),
  encoding_format: 'float',
  input: inputs,
})

/** @returns a reason when it is no such answer. */
export function readOpenAiReply(body: JsonObject): Result<EmbeddingsReply, string> {
  const { data } = body
  if (!isArray(data)) return err('no data')
  const vectors: (readonly number[])[] = []
  for (const [place, item] of data.entries()) {
    const { index, embedding } = objectOf(item)
    const vector = typeof embedding === 'string' ? fromBase64(embedding) : numbersOf(embedding)
    if (vector === null) return err('an embedding is neither numbers nor base64')
    vectors[numberOf(index) ?? place] = vector
  }
  if (vectors.length !== data.length) return err('the indices do not fit together')
  return ok({ vectors, tokens: numberOf(objectOf(body['usage'])['prompt_tokens']) ?? null })
}

/** Both methods' answers. */
export function readGeminiReply(body: JsonObject): Result<EmbeddingsReply, string> {
  const { embedding, embeddings } = body
  const list = isArray(embeddings) ? embeddings : isObject(embedding) ? [embedding] : null
  if (list === null) return err('neither embedding nor embeddings')
  const vectors: (readonly number[])[] = []
  let told = 0
  for (const item of list) {
    const { values, statistics } = objectOf(item)
    const vector = numbersOf(values)
    if (vector === null) return err('an embedding has no values')
    vectors.push(vector)
    told += numberOf(objectOf(statistics)['tokenCount']) ?? 0
  }
  const usage = objectOf(body['usageMetadata'])
  const tokens = numberOf(usage['promptTokenCount']) ?? numberOf(usage['totalTokenCount'])
  return ok({ vectors, tokens: tokens ?? (told === 0 ? null : told) })
}

export function writeOpenAiReply(
  reply: EmbeddingsReply,
  request: EmbeddingsRequest,
  model: string,
): WrittenEmbeddings {
  const tokens = reply.tokens ?? estimated(request)
  const data = reply.vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: request.encoding === 'base64' ? toBase64(vector) : vector,
  }))
  return {
    body: { object: 'list', data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } },
    isEstimated: reply.tokens === null,
  }
}

export function writeGeminiReply(
  reply: EmbeddingsReply,
  request: EmbeddingsRequest,
  method: GeminiEmbedMethod,
): WrittenEmbeddings {
  const tokens = reply.tokens ?? estimated(request)
  const embeddings = reply.vectors.map((values) => ({ values }))
  return {
    body: {
      ...(method === 'embedContent' ? { embedding: embeddings[0] ?? { values: [] } } : { embeddings }),
      usageMetadata: { promptTokenCount: tokens, totalTokenCount: tokens },
    },
    isEstimated: reply.tokens === null,
  }
}

const estimated = ({ inputs }: EmbeddingsRequest): number =>
  inputs.reduce((sum, text) => sum + Math.max(1, Math.ceil(estimateText(text))), 0)

function numbersOf(value: JsonValue | undefined): readonly number[] | null {
  if (!isArray(value)) return null
  const numbers = value.filter((one) => typeof one === 'number')
  return numbers.length === value.length ? numbers : null
}

/** 32-bit floats, little end first. */
export function toBase64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4)
  vector.forEach((value, index) => bytes.writeFloatLE(value, index * 4))
  return bytes.toString('base64')
}

/** @returns null for what is not a whole number of floats. */
export function fromBase64(text: string): readonly number[] | null {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0 || bytes.length % 4 !== 0) return null
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4))
}
