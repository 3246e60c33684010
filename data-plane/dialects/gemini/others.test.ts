/**
 * What every other dialect's provider was recorded to say, told to a Gemini client: as a stream and whole,
 * and what the client then has. And readers fed with what nobody should send.
 */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { json } from '#test/arbitraries/json.ts'
import { answerTarget, ASKED, origin } from '#test/conformance/contexts.ts'
import { gather, readStream } from '#test/conformance/gather.ts'
import { eventsOf, hasRecordings, recordingsOf } from '#test/conformance/recordings.ts'
import { anthropic } from '../anthropic.ts'
import { isObject, objectOf, parseJson } from '../canonical/json.ts'
import type { AnswerPart, CanonicalReply } from '../canonical/reply.ts'
import { gemini } from '../gemini.ts'
import { openaiChat } from '../openai-chat.ts'
import { openaiResponses } from '../openai-responses.ts'

const OTHERS = [openaiChat, openaiResponses, anthropic]

/** What a Gemini client can be told of an answer. */
function heard({ candidates, usage }: CanonicalReply) {
  return {
    candidates: candidates.map(({ index, parts, finish }) => ({
      index,
      text: parts.map((part) => (part.kind === 'text' || part.kind === 'refusal' ? part.text : '')).join(''),
      thought: parts.map((part) => (part.kind === 'reasoning' ? part.text : '')).join(''),
      calls: parts.flatMap((part) => (part.kind === 'tool-call' ? [[part.id, part.name, argsOf(part)]] : [])),
      sources: parts.flatMap((part) =>
        part.kind === 'text' ? (part.citations ?? []).map(({ url, title }) => ({ url, title })) : [],
      ).length,
      finish: finishOf(SAME[finish.kind] ?? finish.kind, parts),
    })),
    tokens: usage === null ? null : [usage.input, usage.output, usage.cacheRead, usage.reasoning],
  }
}

/** Gemini cannot end with calls and not mean them. */
const finishOf = (kind: string, parts: readonly AnswerPart[]): string =>
  kind === 'stop' && parts.some((part) => part.kind === 'tool-call') ? 'tool-calls' : kind

/** Gemini has one word for these. */
const SAME: Readonly<Record<string, string>> = {
  'stop-sequence': 'stop',
  refusal: 'stop',
  pause: 'stop',
  'context-full': 'length',
}

function argsOf({ args, isCustom }: { args: string; isCustom: boolean }): unknown {
  if (isCustom) return { input: args }
  const value = parseJson(args === '' ? '{}' : args)
  return isObject(value) ? value : { _raw: args }
}

describe.runIf(hasRecordings)('answers of other providers', () => {
  const streams = OTHERS.flatMap((dialect) =>
    recordingsOf(dialect.name).flatMap(({ id, stream, status }) =>
      stream === null || status !== 200 ? [] : [[id, dialect, stream] as const],
    ),
  )

  it.each(streams)('the stream %s is told to a Gemini client', (_id, dialect, stream) => {
    const events = readStream(dialect.openReader(origin('p')), eventsOf(stream))
    const said = gather(events, dialect.name)
    const writer = gemini.openWriter(answerTarget(ASKED))
    const told = events.map((event) => writer.write(event)).join('') + writer.end()
    const got = gather(readStream(gemini.openReader(origin('p')), eventsOf(told)), 'gemini')
    expect(got.problem === null).toBe(said.problem === null)
    if (said.problem === null) expect(heard(got.reply)).toEqual(heard(said.reply))
  })

  const bodies = OTHERS.flatMap((dialect) =>
    recordingsOf(dialect.name).flatMap(({ id, body, status }) => {
      const read = body === null || status !== 200 ? null : dialect.readReply(body, origin('p'))
      return read?.ok === true ? [[id, read.value] as const] : []
    }),
  )

  it.each(bodies)('the answer %s is told to a Gemini client', (_id, said) => {
    const told = objectOf(parseJson(gemini.writeReply(said, answerTarget(ASKED))))
    const got = gemini.readReply(told, origin('p'))
    if (!got.ok) throw new Error(got.error)
    expect(heard(got.value)).toEqual(heard(said))
  })
})

describe('readers', () => {
  it('end every stream in an end or an error, whatever comes', () => {
    const part = fc.record(
      {
        text: fc.oneof(fc.string(), json),
        thought: fc.oneof(fc.boolean(), json),
        thoughtSignature: fc.oneof(fc.string(), json),
        functionCall: fc.oneof(
          json,
          fc.record(
            {
              name: fc.oneof(fc.string(), json),
              id: json,
              args: json,
              willContinue: fc.boolean(),
              partialArgs: fc.oneof(
                json,
                fc.array(
                  fc.record({
                    jsonPath: fc.constantFrom('$.a', '$.b[0]', '$'),
                    stringValue: json,
                    willContinue: fc.boolean(),
                  }),
                ),
              ),
            },
            { requiredKeys: [] },
          ),
        ),
        inlineData: json,
      },
      { requiredKeys: [] },
    )
    const chunk = fc.oneof(
      json,
      fc.record(
        {
          candidates: fc.oneof(
            json,
            fc.array(
              fc.record(
                {
                  index: fc.oneof(fc.nat(3), json),
                  content: fc.oneof(json, fc.record({ parts: fc.array(fc.oneof(part, json)) })),
                  finishReason: fc.oneof(fc.constantFrom('STOP', 'SAFETY'), json),
                  groundingMetadata: json,
                  logprobsResult: json,
                },
                { requiredKeys: [] },
              ),
            ),
          ),
          usageMetadata: json,
          promptFeedback: json,
          error: fc.oneof(fc.constant(undefined), json),
        },
        { requiredKeys: [] },
      ),
    )
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 5 }), (chunks) => {
        const events = chunks.map((one) => ({ event: '', data: JSON.stringify(one) ?? '' }))
        const told = readStream(gemini.openReader(origin('p')), events)
        const { problem, reply } = gather(told, 'gemini')
        expect(
          problem !== null || reply.candidates.every(({ finish }) => finish.explanation !== 'unfinished'),
        ).toBe(true)
        const writer = gemini.openWriter(answerTarget(ASKED))
        const text = told.map((event) => writer.write(event)).join('') + writer.end()
        for (const { data } of eventsOf(text)) expect(parseJson(data), data).toBeTypeOf('object')
      }),
      { numRuns: 500 },
    )
  })

  it('read or refuse any request and any answer', () => {
    fc.assert(
      fc.property(json, json, json, (contents, generationConfig, tools) => {
        const body = JSON.parse(JSON.stringify({ contents, generationConfig, tools })) as object
        const context = {
          model: 'm',
          stream: false,
          headers: {},
          framing: 'sse',
          sealer: answerTarget().sealer,
        } as const
        expect(gemini.readRequest(objectOf(body), context).ok).toBeTypeOf('boolean')
        expect(gemini.readReply({ candidates: [objectOf(body)] }, origin('p')).ok).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})
