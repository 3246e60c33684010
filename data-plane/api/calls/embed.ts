/**
 * Embeddings: OpenAI's address and Gemini's two, to providers of either.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { JsonObject } from '../../dialects/canonical/json.ts'
import {
  readGeminiReply,
  readGeminiRequest,
  readOpenAiReply,
  readOpenAiRequest,
  writeGeminiReply,
  writeGeminiRequest,
  writeOpenAiReply,
  writeOpenAiRequest,
  type EmbeddingsReply,
  type EmbeddingsRequest,
  type GeminiEmbedMethod,
  type WrittenEmbeddings,
} from '../../dialects/embeddings.ts'
import { EMBEDDINGS_JUDGE } from '../../dialects/native/answers.ts'
import { NATIVE_METER } from '../../dialects/native/meter.ts'
import { parseRequest, patchRequest, readRequest } from '../../dialects/native/read-request.ts'
import type { Deployment } from '../../routing/snapshot.ts'
import type { Prepared } from '../../upstream/attempt.ts'
import type { RequestBody } from '../../upstream/request-body.ts'
import { unsendable, type Failure } from '../../upstream/classify.ts'
import { bodiesOnly, RewrittenPassage } from '../../upstream/passage/rewritten.ts'
import type { Call, Inquiry } from '../inquiry.ts'
import { TONGUE } from '../tongues.ts'
import { convertedHeaders } from './request-headers.ts'

/** Gemini's client says model and method in the address; null: OpenAI's. */
export type EmbedAddress = Readonly<{ model: string; method: GeminiEmbedMethod }> | null

const NOT_HERE: Problem = {
  code: 'unsupported_parameter',
  param: 'model',
  message: 'The provider of this model has no embeddings.',
}

export function embed(address: EmbedAddress): Call {
  return {
    tongue: TONGUE[address === null ? 'openai-chat' : 'gemini'],
    endpoint: 'embeddings',
    read: ({ body, strict }) => {
      const request = readRequest(body, undefined, address === null ? null : { ...address, stream: false })
      if (!request.ok) return request
      const { model } = request.value
      const native = (deployment: Deployment): RequestBody =>
        patchRequest(request.value, deployment.modelJson)
      return ok(inquiry(model, (deployment) => prepare(deployment, { address, body, native, strict })))
    },
  }
}

const inquiry = (model: string, prepareFor: Inquiry['prepare']): Inquiry => ({
  model,
  stream: false,
  owner: null,
  dropState: () => false,
  recall: () => null,
  prepare: prepareFor,
})

type Asked = Readonly<{
  address: EmbedAddress
  body: Buffer
  native: (deployment: Deployment) => RequestBody
  strict: boolean
}>

function prepare(
  deployment: Deployment,
  { address, body, native, strict }: Asked,
): Result<Prepared, Failure> {
  const { endpoints, kind } = deployment
  const toGemini = kind === 'gemini'
  if (toGemini === (address !== null)) {
    const path = address === null ? endpoints.embeddings : pathOf(endpoints, address.method)
    if (path === null) return err(unsendable(NOT_HERE, 'provider'))
    const dialect = toGemini ? 'gemini' : 'openai-chat'
    const passage = bodiesOnly(EMBEDDINGS_JUDGE[dialect], NATIVE_METER[dialect])
    return ok({
      method: 'POST',
      path,
      dialect,
      headers: convertedHeaders(false, []),
      body: native(deployment),
      passage,
      warnings: [],
    })
  }
  const parsed = parseRequest(body)
  if (!parsed.ok) return err(unsendable(parsed.error, 'request'))
  const { value } = parsed
  const request = address === null ? readOpenAiRequest(value) : readGeminiRequest(value, address.method)
  if (!request.ok) return err(unsendable(request.error, 'provider'))
  const [lost] = request.value.losses.list
  if (strict && lost !== undefined) {
    return err(unsendable({ code: 'unsupported_parameter', param: lost.at }, 'provider'))
  }
  return convert(deployment, request.value, address)
}

function convert(
  deployment: Deployment,
  request: EmbeddingsRequest,
  address: EmbedAddress,
): Result<Prepared, Failure> {
  const { endpoints, model } = deployment
  const written = writeGeminiRequest(request, model)
  const [path, sent] =
    address === null
      ? [pathOf(endpoints, written.method), written.body]
      : [endpoints.embeddings, writeOpenAiRequest(request, model)]
  if (path === null) return err(unsendable(NOT_HERE, 'provider'))
  const read = address === null ? readGeminiReply : readOpenAiReply
  const write = (reply: EmbeddingsReply): WrittenEmbeddings =>
    address === null
      ? writeOpenAiReply(reply, request, model)
      : writeGeminiReply(reply, request, address.method)
  const rewrite = (answer: JsonObject): Result<JsonObject, string> => {
    const reply = read(answer)
    return reply.ok ? ok(write(reply.value).body) : reply
  }
  const dialect = address === null ? 'gemini' : 'openai-chat'
  return ok({
    method: 'POST',
    path,
    dialect,
    headers: convertedHeaders(false, []),
    body: Buffer.from(JSON.stringify(sent)),
    passage: new RewrittenPassage({
      judge: EMBEDDINGS_JUDGE[dialect],
      meter: NATIVE_METER[dialect],
      rewrite,
    }),
    warnings: request.losses.list.map(({ at, reason }) => `${at}:${reason}`),
  })
}

const pathOf = (endpoints: Deployment['endpoints'], method: GeminiEmbedMethod): string | null =>
  method === 'embedContent' ? endpoints.embedContent : endpoints.batchEmbedContents
