/**
 * Gemini's state through every client: an answer is told to the client, the client sends it back as its
 * history, and Gemini gets the very same parts with the very same signatures.
 */
import { describe, expect, it } from 'vitest'
import { answerTarget, ASKED, origin, readContext } from '#test/conformance/contexts.ts'
import { write } from '#test/conformance/gemini-requests.ts'
import { hasRecordings, recordingsOf } from '#test/conformance/recordings.ts'
import { anthropic } from '../anthropic.ts'
import { arrayOf, objectOf, parseJson, type JsonObject, type JsonValue } from '../canonical/json.ts'
import type { CanonicalReply } from '../canonical/reply.ts'
import type { ToolCallPart } from '../canonical/request.ts'
import type { Dialect } from '../dialect.ts'
import { gemini } from '../gemini.ts'
import { openaiChat } from '../openai-chat.ts'
import { openaiResponses } from '../openai-responses.ts'

type Client = Readonly<{
  dialect: Dialect
  /** The next request of a client that got this answer. */
  next: (answer: JsonObject, calls: readonly ToolCallPart[]) => JsonObject
}>

const first = (list: JsonValue | undefined): JsonObject => objectOf(arrayOf(list)[0])
const ask = { role: 'user', content: 'x' }

const CLIENTS: readonly Client[] = [
  {
    dialect: openaiChat,
    next: ({ choices }, calls) => ({
      model: 'm',
      messages: [
        ask,
        first(choices)['message'] ?? null,
        ...calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'ok' })),
        ask,
      ],
    }),
  },
  {
    dialect: openaiResponses,
    next: ({ output }, calls) => ({
      model: 'm',
      input: [
        ask,
        ...arrayOf(output),
        ...calls.map(({ id }) => ({ type: 'function_call_output', call_id: id, output: 'ok' })),
        ask,
      ],
    }),
  },
  {
    dialect: anthropic,
    next: ({ content = [] }, calls) => ({
      model: 'm',
      max_tokens: 100,
      messages: [
        ask,
        { role: 'assistant', content },
        {
          role: 'user',
          content: [
            ...calls.map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: 'ok' })),
            { type: 'text', text: 'x' },
          ],
        },
      ],
    }),
  },
  {
    dialect: gemini,
    next: ({ candidates }, calls) => ({
      contents: [
        { role: 'user', parts: [{ text: 'x' }] },
        first(candidates)['content'] ?? null,
        {
          role: 'user',
          parts: [
            ...calls.map(({ id, name }) => ({
              functionResponse: { id, name, response: { output: 'ok' } },
            })),
            { text: 'x' },
          ],
        },
      ],
    }),
  },
]

type Answer = readonly [id: string, reply: CanonicalReply, parts: readonly JsonObject[]]

/** Code that Gemini ran itself has no words in other dialects, and filtered answers have no parts. */
const answers = recordingsOf('gemini').flatMap(({ id, body, status }): readonly Answer[] => {
  const read = body === null || status !== 200 ? null : gemini.readReply(body, origin('google'))
  const parts = arrayOf(objectOf(first(body?.['candidates'])['content'])['parts']).map(objectOf)
  const isCommon = parts.every((part) => 'text' in part || 'functionCall' in part)
  return read?.ok === true && parts.length > 0 && isCommon ? [[id, read.value, parts]] : []
})

/** Ids are given by us where Gemini gave none. */
function bare(part: JsonObject): JsonObject {
  if (part['functionCall'] === undefined) return part
  const { name, args = {} } = objectOf(part['functionCall'])
  return { ...part, functionCall: { name, args } }
}

describe.runIf(hasRecordings)('the state of an answer comes back', () => {
  it('of answers that have some', () => {
    const signed = answers.filter(([, , parts]) => parts.some((part) => 'thoughtSignature' in part))
    expect(signed.length).toBeGreaterThan(15)
  })

  describe.each(CLIENTS.map((client) => [client.dialect.name, client] as const))(
    'through a client of %s',
    (name, { dialect, next }) => {
      it.each(answers)('from %s', (_id, reply, parts) => {
        const asked = { ...ASKED, dialect: name }
        const told = objectOf(parseJson(dialect.writeReply(reply, answerTarget(asked))))
        const calls = reply.candidates.flatMap((candidate) =>
          candidate.parts.filter((part) => part.kind === 'tool-call'),
        )
        const read = dialect.readRequest(next(told, calls), readContext())
        if (!read.ok) throw new Error(JSON.stringify(read.error))
        const { body, warned } = write(read.value, undefined, { signedCalls: false })
        const sent = objectOf(arrayOf(body['contents'])[1])
        expect(arrayOf(sent['parts']).map((part) => bare(objectOf(part)))).toEqual(parts.map(bare))
        expect(warned).toEqual([])
      })
    },
  )
})
