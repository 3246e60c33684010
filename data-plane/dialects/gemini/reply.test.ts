import { describe, expect, it } from 'vitest'
import { openSealer } from '#test/arbitraries/canonical.ts'
import { answerTarget, ASKED, origin } from '#test/conformance/contexts.ts'
import type { Carrier } from '../canonical/carrier.ts'
import { objectOf, parseJson, type JsonObject } from '../canonical/json.ts'
import type { AnswerPart, CanonicalReply, Finish } from '../canonical/reply.ts'
import { gemini } from '../gemini.ts'

function read(body: JsonObject, names?: ReadonlyMap<string, string>): CanonicalReply {
  const result = gemini.readReply(body, origin('google', names))
  if (!result.ok) throw new Error(result.error)
  return result.value
}

const candidate = (...parts: JsonObject[]): JsonObject => ({
  candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }],
  responseId: 'r1',
})
const partsOf = (...parts: JsonObject[]) => read(candidate(...parts)).candidates[0]?.parts

describe('reading', () => {
  it.each([
    ['STOP', 'stop'],
    ['MAX_TOKENS', 'length'],
    ['CONTINUATION', 'length'],
    ['SAFETY', 'content-filter'],
    ['RECITATION', 'content-filter'],
    ['BLOCKLIST', 'content-filter'],
    ['PROHIBITED_CONTENT', 'content-filter'],
    ['SPII', 'content-filter'],
    ['LANGUAGE', 'content-filter'],
    ['IMAGE_SAFETY', 'content-filter'],
    ['IMAGE_PROHIBITED_CONTENT', 'content-filter'],
    ['MODEL_ARMOR', 'content-filter'],
    ['MALFORMED_FUNCTION_CALL', 'other'],
    ['MALFORMED_RESPONSE', 'other'],
    ['OTHER', 'other'],
    ['NO_IMAGE', 'other'],
    ['SOMETHING_OF_NEXT_YEAR', 'other'],
    ['constructor', 'other'],
  ])('finish reason %s is %s', (finishReason, kind) => {
    const reply = read({ candidates: [{ finishReason, finishMessage: 'why' }] })
    expect(reply.candidates[0]?.finish.kind).toBe(kind)
    const told = kind === 'stop' || kind === 'length' ? undefined : 'why'
    expect(reply.candidates[0]?.finish.explanation).toBe(told)
  })

  it('stop with calls is a wish for their results', () => {
    const reply = read(candidate({ functionCall: { name: 'f' } }))
    expect(reply.candidates[0]?.finish).toEqual({ kind: 'tool-calls' })
  })

  it('a blocked prompt is an answer that was filtered', () => {
    const reply = read({
      promptFeedback: { blockReason: 'MODEL_ARMOR', blockReasonMessage: 'no' },
      usageMetadata: { trafficType: 'ON_DEMAND' },
    })
    expect(reply.candidates).toMatchObject([
      { parts: [], finish: { kind: 'content-filter', explanation: 'no' } },
    ])
    expect(reply.usage).toBeNull()
  })

  it('no candidates at all are an answer of unknown end, and something else is no answer', () => {
    expect(read({ usageMetadata: { totalTokenCount: 3 } }).candidates[0]?.finish.kind).toBe('other')
    expect(gemini.readReply({ choices: [] }, origin('google')).ok).toBe(false)
  })

  it('calls without ids get the same ones whenever the answer is read, each its own', () => {
    const body = candidate({ functionCall: { name: 'f' } }, { functionCall: { name: 'f' } })
    const ids = (value: CanonicalReply) =>
      value.candidates.flatMap(({ parts }) => parts.map((part) => (part.kind === 'tool-call' ? part.id : '')))
    expect(ids(read(body))).toEqual(ids(read(body)))
    expect(new Set(ids(read(body))).size).toBe(2)
    expect(ids(read({ ...body, responseId: 'r2' }))).not.toEqual(ids(read(body)))
  })

  it('names that were changed on the way out are changed back', () => {
    const reply = read(candidate({ functionCall: { name: 'a_1' } }), new Map([['a_1', 'a/1']]))
    expect(reply.candidates[0]?.parts[0]).toMatchObject({ name: 'a/1' })
  })

  it('a signature goes to the words before it, or stands alone', () => {
    const state = { dialect: 'gemini', provider: 'google', data: 's', form: 'thought', of: 'own' }
    expect(partsOf({ text: 'a' }, { text: '', thoughtSignature: 's' })).toEqual([
      { kind: 'text', text: 'a', carrier: state },
    ])
    expect(
      partsOf({ functionCall: { name: 'f', id: 'x' } }, { text: '', thoughtSignature: 's' }),
    ).toMatchObject([{ kind: 'tool-call' }, { kind: 'text', text: '', carrier: state }])
    expect(partsOf({ thoughtSignature: 's' })).toEqual([{ kind: 'text', text: '', carrier: state }])
  })

  it('pictures are media, and code that ran is Gemini’s own', () => {
    const code = { executableCode: { code: '1', language: 'PYTHON' } }
    expect(partsOf({ text: '' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }, code)).toEqual([
      { kind: 'media', media: 'image', source: { kind: 'base64', data: 'AAAA' }, mimeType: 'image/png' },
      { kind: 'native', dialect: 'gemini', type: 'executableCode', value: code },
    ])
  })

  it('sources stand with their text', () => {
    const body = {
      candidates: [
        {
          content: { parts: [{ text: 'hm', thought: true }, { text: 'Köln.' }] },
          groundingMetadata: {
            groundingChunks: [{ web: { uri: 'https://a' } }],
            groundingSupports: [{ segment: { endIndex: 6 }, groundingChunkIndices: [0] }],
          },
        },
      ],
    }
    expect(read(body).candidates[0]?.parts[1]).toEqual({
      kind: 'text',
      text: 'Köln.',
      citations: [{ kind: 'url', url: 'https://a', start: 0, end: 5 }],
    })
  })

  it('time, model and tier are told in common words', () => {
    expect(
      read({
        ...candidate(),
        createTime: '2026-05-27T16:53:45.443719Z',
        modelVersion: 'models/gemini-2.5-pro',
        usageMetadata: { totalTokenCount: 1, serviceTier: 'standard' },
      }),
    ).toMatchObject({ created: 1_779_900_825, model: 'gemini-2.5-pro', serviceTier: 'default', id: 'r1' })
  })
})

describe('writing', () => {
  const reply = (
    parts: readonly AnswerPart[],
    finish: Finish = { kind: 'stop' },
    over: Partial<CanonicalReply> = {},
  ): CanonicalReply => ({
    dialect: 'anthropic',
    id: 'msg_1',
    model: 'claude',
    created: null,
    candidates: [{ index: 0, parts, finish, logprobs: null }],
    usage: null,
    serviceTier: null,
    ...over,
  })
  const write = (value: CanonicalReply, shown = true) =>
    objectOf(
      parseJson(
        gemini.writeReply(value, answerTarget({ ...ASKED, telling: { ...ASKED.telling, reasoning: shown } })),
      ),
    )
  const written = (...parts: AnswerPart[]) =>
    (write(reply(parts))['candidates'] as { content: { parts: JsonObject[] } }[])[0]?.content.parts

  it('is whole', () => {
    expect(write(reply([{ kind: 'text', text: 'hi' }]))).toEqual({
      candidates: [{ content: { parts: [{ text: 'hi' }], role: 'model' }, finishReason: 'STOP', index: 0 }],
      modelVersion: 'claude',
      createTime: '2026-09-21T14:13:20.000Z',
      responseId: 'id1',
    })
  })

  it.each([
    ['stop', 'STOP'],
    ['stop-sequence', 'STOP'],
    ['length', 'MAX_TOKENS'],
    ['context-full', 'MAX_TOKENS'],
    ['tool-calls', 'STOP'],
    ['content-filter', 'SAFETY'],
    ['refusal', 'STOP'],
    ['pause', 'STOP'],
    ['other', 'OTHER'],
  ] as const)('end %s is %s', (kind, finishReason) => {
    expect(write(reply([], { kind, explanation: 'why' }))).toMatchObject({ candidates: [{ finishReason }] })
  })

  it('Google’s own reasons come back', () => {
    const body = { candidates: [{ finishReason: 'RECITATION', finishMessage: 'why' }] }
    expect(write(read(body))).toMatchObject(body)
  })

  it('arguments are objects, as they were written', () => {
    const call = { kind: 'tool-call', id: 'c', name: 'f', isCustom: false } as const
    expect(
      written(
        { ...call, args: '{"a":1}' },
        { ...call, args: '' },
        { ...call, args: '{"a' },
        { ...call, args: 'free', isCustom: true },
      ),
    ).toEqual(
      [{ a: 1 }, {}, { _raw: '{"a' }, { input: 'free' }].map((args) => ({
        functionCall: { id: 'c', name: 'f', args },
      })),
    )
    const exact = gemini.writeReply(reply([{ ...call, args: '{"n": 12345678901234567890}' }]), answerTarget())
    expect(exact).toContain('"args":{"n": 12345678901234567890}')
  })

  it('state of others is sealed where Gemini keeps its own', () => {
    const carrier: Carrier = {
      dialect: 'anthropic',
      provider: 'claude',
      data: 's',
      form: 'signature',
      of: 'own',
    }
    const part = { kind: 'reasoning', text: 'hm', isSummary: false, carrier } as const
    expect(written(part)).toEqual([{ text: 'hm', thought: true, thoughtSignature: openSealer.seal(carrier) }])
    // A client that is not shown thoughts keeps them sealed, and brings them back.
    const hidden = write(reply([part, { kind: 'reasoning', text: 'no state', isSummary: true }]), false)
    expect(hidden).toMatchObject({
      candidates: [
        {
          content: {
            parts: [
              { text: '', thought: true, thoughtSignature: openSealer.seal({ ...carrier, text: 'hm' }) },
            ],
          },
        },
      ],
    })
  })

  it('its own state goes as it is', () => {
    const carrier: Carrier = { dialect: 'gemini', provider: 'google', data: 's', form: 'thought', of: 'own' }
    expect(written({ kind: 'text', text: 'a', carrier })).toEqual([{ text: 'a', thoughtSignature: 's' }])
  })

  it('what Gemini has no words for is left out, and an answer of nothing is an empty text', () => {
    expect(written({ kind: 'native', dialect: 'anthropic', type: 'x', value: {} })).toEqual([{ text: '' }])
    expect(written({ kind: 'refusal', text: 'no' })).toEqual([{ text: 'no' }])
  })

  it('tokens, sources, probabilities and candidates are told', () => {
    const native = { prompt_tokens: 3 }
    const usage = {
      input: 3,
      output: 2,
      cacheRead: 0,
      cacheWrite: 0,
      cacheWriteLong: 0,
      reasoning: 0,
      inputAudio: 0,
      outputAudio: 0,
      native,
    }
    const citations = [{ kind: 'url', url: 'https://a', start: 0, end: 1 }] as const
    const top = { token: 'a', logprob: -1, bytes: [97] }
    const value = reply(
      [],
      { kind: 'stop' },
      {
        usage,
        serviceTier: 'flex',
        candidates: [
          {
            index: 0,
            parts: [{ kind: 'text', text: 'ü', citations }],
            finish: { kind: 'stop' },
            logprobs: [{ ...top, top: [top] }],
          },
          { index: 1, parts: [{ kind: 'text', text: 'b' }], finish: { kind: 'length' }, logprobs: null },
        ],
      },
    )
    expect(write(value)).toMatchObject({
      candidates: [
        {
          index: 0,
          groundingMetadata: { groundingSupports: [{ segment: { endIndex: 2, text: 'ü' } }] },
          logprobsResult: { chosenCandidates: [{ token: 'a', logProbability: -1 }] },
        },
        { index: 1, finishReason: 'MAX_TOKENS' },
      ],
      usageMetadata: {
        promptTokenCount: 3,
        candidatesTokenCount: 2,
        totalTokenCount: 5,
        serviceTier: 'flex',
      },
    })
  })
})

describe('errors', () => {
  it.each([
    ['invalid_value', 400, 'INVALID_ARGUMENT'],
    ['invalid_api_key', 401, 'UNAUTHENTICATED'],
    ['suspended_api_key', 403, 'PERMISSION_DENIED'],
    ['model_not_found', 404, 'NOT_FOUND'],
    ['rate_limit_exceeded', 429, 'RESOURCE_EXHAUSTED'],
    ['internal_error', 500, 'INTERNAL'],
    ['content_filter', 400, 'FAILED_PRECONDITION'],
    ['unsupported_encoding', 415, 'INVALID_ARGUMENT'],
    ['upstream_error', 500, 'INTERNAL'],
    ['stream_broken', 500, 'INTERNAL'],
    ['upstream_refused', 503, 'UNAVAILABLE'],
    ['upstream_overloaded', 503, 'UNAVAILABLE'],
    ['upstream_timeout', 504, 'DEADLINE_EXCEEDED'],
  ] as const)('%s is %d %s', (code, status, word) => {
    const written = gemini.writeError({ code }, 'req_1')
    expect(written.status).toBe(status)
    expect(parseJson(written.body)).toMatchObject({ error: { code: status, status: word } })
  })

  it('tell when to come back, which field it was, and the upstream’s own status', () => {
    const problem = {
      code: 'upstream_error',
      status: 413,
      message: 'too much',
      param: 'contents[0]',
      retryAfterMs: 1_500,
    } as const
    expect(parseJson(gemini.writeError(problem, 'r').body)).toEqual({
      error: {
        code: 413,
        message: 'too much',
        status: 'INVALID_ARGUMENT',
        details: [
          {
            '@type': 'type.googleapis.com/google.rpc.BadRequest',
            fieldViolations: [{ field: 'contents[0]' }],
          },
          { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '2s' },
        ],
      },
    })
  })

  it.each([
    ['params.topK', 'generationConfig.topK'],
    ['params.n', 'generationConfig.candidateCount'],
    ['turns[3].parts[0]', 'contents[3].parts[0]'],
    ['turns', 'contents'],
    ['system[1]', 'systemInstruction.parts[1]'],
    ['reasoning.effort', 'generationConfig.thinkingConfig'],
    ['toolChoice', 'toolConfig.functionCallingConfig'],
    ['generationConfig.speechConfig', 'generationConfig.speechConfig'],
    ['turnsToken', 'turnsToken'],
  ])('%s is the client’s %s', (at, path) => {
    expect(gemini.pathOf(at)).toBe(path)
  })
})
