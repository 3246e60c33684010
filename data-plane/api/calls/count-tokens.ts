/**
 * Counting the tokens of a request that is not sent: Anthropic's, Gemini's and OpenAI's addresses, answered by
 * the upstream where it can count, else by an estimate that is marked as one.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { objectOf, parseJson, type JsonObject } from '../../dialects/canonical/json.ts'
import type { CanonicalRequest, DialectName } from '../../dialects/canonical/request.ts'
import { judgeTokenCount } from '../../dialects/native/answers.ts'
import { parseRequest, patchRequest, readRequest } from '../../dialects/native/read-request.ts'
import { DIALECT } from '../../dialects/registry.ts'
import {
  estimateTokens,
  fromCountBody,
  readCount,
  toCountBody,
  writeCount,
} from '../../dialects/token-count.ts'
import type { Candidate, Deployment } from '../../routing/snapshot.ts'
import type { Prepared } from '../../upstream/attempt.ts'
import type { RequestBody } from '../../upstream/request-body.ts'
import { unsendable, type Failure } from '../../upstream/classify.ts'
import { bodiesOnly, RewrittenPassage } from '../../upstream/passage/rewritten.ts'
import type { Arrival, Call, LocalAnswer } from '../inquiry.ts'
import { TONGUE } from '../tongues.ts'
import { convertedHeaders, nativeHeaders } from './request-headers.ts'
import { upstreamDialect } from './upstream-dialect.ts'

/** @param address the model, where the address says it (Gemini). */
export function countTokens(dialect: DialectName, address: string | null = null): Call {
  return {
    tongue: TONGUE[dialect],
    endpoint: 'count_tokens',
    read: (arrival) => {
      const asked = address === null ? null : { model: address, stream: false }
      const request = readRequest(arrival.body, undefined, asked)
      if (!request.ok) return request
      const { model } = request.value
      const patched = ({ modelJson }: Deployment): RequestBody => patchRequest(request.value, modelJson)
      let read: Result<CanonicalRequest, Problem> | null = null
      const canonical = (): Result<CanonicalRequest, Problem> => (read ??= readBody(dialect, model, arrival))
      return ok({
        model,
        stream: false,
        owner: null,
        dropState: () => false,
        recall: () => null,
        prepare: (deployment) => prepare(dialect, deployment, arrival, patched, canonical),
        answerLocally: (candidates) => estimateFor(dialect, candidates, canonical),
      })
    },
  }
}

function readBody(dialect: DialectName, model: string, arrival: Arrival): Result<CanonicalRequest, Problem> {
  const parsed = parseRequest(arrival.body)
  if (!parsed.ok) return parsed
  const body = fromCountBody(dialect, parsed.value)
  if (!body.ok) return body
  const { sealer } = arrival
  return DIALECT[dialect].readRequest(body.value, {
    model,
    stream: false,
    headers: {},
    framing: 'sse',
    sealer,
  })
}

/** Where a deployment counts in a dialect. */
function countPath({ endpoints }: Deployment, dialect: DialectName): string | null {
  switch (dialect) {
    case 'anthropic':
      return endpoints.countMessageTokens
    case 'gemini':
      return endpoints.countTokens
    case 'openai-responses':
      return endpoints.responses === null ? null : endpoints.responses.replace(/(?=\?|$)/, '/input_tokens')
    case 'openai-chat':
      return null
  }
}

function prepare(
  dialect: DialectName,
  deployment: Deployment,
  arrival: Arrival,
  patched: (deployment: Deployment) => RequestBody,
  canonical: () => Result<CanonicalRequest, Problem>,
): Result<Prepared, Failure> {
  const name = upstreamDialect(deployment, dialect)
  const path = countPath(deployment, name)
  if (path === null) return err(unsendable({ code: 'unsupported_parameter' }, 'provider'))
  if (name === dialect) {
    const headers = nativeHeaders(dialect, arrival.headers, false)
    const passage = bodiesOnly(judgeTokenCount, null)
    const body = patched(deployment)
    return ok({ method: 'POST', path, dialect, headers, body, passage, warnings: [] })
  }
  const request = canonical()
  if (!request.ok) return err(unsendable(request.error, 'request'))
  const { model, provider, capabilities } = deployment
  const target = { model, provider, capabilities: capabilities(), stream: false }
  const { body, headers } = DIALECT[name].writeRequest(request.value, target)
  const sent = toCountBody(name, objectOf(parseJson(body)), model)
  if (sent === null) return err(unsendable({ code: 'unsupported_parameter' }, 'provider'))
  const rewrite = (answer: JsonObject): Result<JsonObject, string> => {
    const tokens = readCount(name, answer)
    return tokens === null ? err('tells no count') : ok(writeCount(dialect, tokens))
  }
  return ok({
    method: 'POST',
    path,
    dialect: name,
    headers: convertedHeaders(false, headers),
    body: Buffer.from(JSON.stringify(sent)),
    passage: new RewrittenPassage({ judge: judgeTokenCount, meter: null, rewrite }),
    warnings: [],
  })
}

/** @returns null while any of the candidates can count for itself. */
function estimateFor(
  dialect: DialectName,
  candidates: readonly Candidate[],
  canonical: () => Result<CanonicalRequest, Problem>,
): Result<LocalAnswer, Problem> | null {
  const countsItself = ({ deployment }: Candidate): boolean =>
    countPath(deployment, upstreamDialect(deployment, dialect)) !== null
  if (candidates.some(countsItself)) return null
  const request = canonical()
  if (!request.ok) return request
  const body = JSON.stringify(writeCount(dialect, estimateTokens(request.value)))
  return ok({ body, warnings: ['input_tokens:estimated'] })
}
